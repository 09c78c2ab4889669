"""A batch transform of SageMaker: a whole file, on machines that come and go with the job.

Owns the job's life and its answers: the same request finds its own job again, whatever became of
the process that began it, and what comes back has one line for each instance, in the input's order.
Credentials are the client's default chain and nothing else.
"""

import gzip
import hashlib
import json
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

from pydantic import JsonValue

from model_export.errors import ModelExportError, RefusedError

_NAME_CHARACTERS: Final = 63
_DIGEST_CHARACTERS: Final = 12
# An attempt's number goes behind.
_READABLE_CHARACTERS: Final = _NAME_CHARACTERS - _DIGEST_CHARACTERS - 6
_PAYLOAD_MB: Final = 6
_PIECE_BYTES: Final = 1 << 20
_ENDED_BADLY: Final = frozenset({"Failed", "Stopped"})
_DONE: Final = "Completed"


@dataclass(frozen=True, kw_only=True)
class Transform:
    """What is asked: which model, of which file, on what machines."""

    region: str
    model_name: str
    source: str
    instance_type: str = "ml.m5.large"
    instances: int = 1
    concurrent: int = 4

    def base_name(self, tag: str) -> str:
        """Name the job by all that it is asked, and the very bytes of the input."""
        asked = f"{self.model_name}\0{self.source}\0{tag}\0{self.instance_type}"
        digest = hashlib.sha256(asked.encode()).hexdigest()[:_DIGEST_CHARACTERS]
        return f"{self.model_name[:_READABLE_CHARACTERS].rstrip('-')}-{digest}"


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What came of it."""

    job: str
    instances: int
    answers_url: str


class TransformJobs:
    """Jobs of one region, and what they read and write."""

    def __init__(self, region: str) -> None:
        try:
            from boto3.session import Session  # noqa: PLC0415 slow, and need not be installed
        except ImportError as error:
            raise RefusedError(
                "boto3 is not installed; pip install 'servestack[sagemaker]'."
            ) from error
        make: Any = Session().client  # typed for each service's own name only
        self._jobs = make("sagemaker", region_name=region)
        self._objects = make("s3", region_name=region)

    def start(self, asked: Transform) -> str:
        """Begin the job, or find the one that was begun by the same request; give its name."""
        bucket, key = _place(asked.source)
        with _explained(asked.source):
            tag = self._objects.head_object(Bucket=bucket, Key=key)["ETag"]
        base = asked.base_name(tag)
        with _explained(base):
            known: dict[str, str] = {
                found["TransformJobName"]: found["TransformJobStatus"]
                for found in self._jobs.list_transform_jobs(NameContains=base)[
                    "TransformJobSummaries"
                ]
            }
            latest = max(known, key=_attempt, default=None)
            if latest is not None and known[latest] not in _ENDED_BADLY:
                return latest
            name = f"{base}-{_attempt(latest) + 1 if latest else 1}"
            self._jobs.create_transform_job(
                TransformJobName=name,
                ModelName=asked.model_name,
                BatchStrategy="MultiRecord",
                MaxPayloadInMB=_PAYLOAD_MB,
                MaxConcurrentTransforms=asked.concurrent,
                TransformInput={
                    "DataSource": {
                        "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": asked.source}
                    },
                    "ContentType": "application/jsonlines",
                    "SplitType": "Line",
                    "CompressionType": "Gzip" if key.endswith(".gz") else "None",
                },
                TransformOutput={
                    "S3OutputPath": _answers_folder(asked.source, base),
                    "Accept": "application/jsonlines",
                    "AssembleWith": "Line",
                },
                TransformResources={
                    "InstanceType": asked.instance_type,
                    "InstanceCount": asked.instances,
                },
            )
        return name

    def wait(self, job: str, told: Callable[[str], None], *, pause_seconds: float = 15.0) -> None:
        """Return when the job is done; say why when it failed. `told` hears each new status."""
        status = ""
        while True:
            with _explained(job):
                found = self._jobs.describe_transform_job(TransformJobName=job)
            if found["TransformJobStatus"] != status:
                status = found["TransformJobStatus"]
                told(status)
            if status == _DONE:
                return
            if status in _ENDED_BADLY:
                why = found.get("FailureReason") or "SageMaker gives no reason; see its logs"
                raise ModelExportError(
                    f"Job {job} {status.lower()}: {why}. The same command begins another one."
                )
            time.sleep(pause_seconds)

    def fetch(self, asked: Transform, job: str, output: IO[bytes]) -> Answered:
        """Write one line for each instance; more or fewer answers than instances is an error."""
        base, _, _ = job.rpartition("-")
        bucket, key = _place(asked.source)
        name = key.rpartition("/")[2]
        url = f"{_answers_folder(asked.source, base)}/{name}.out"
        numbers = self._instance_lines(bucket, key)
        count = 0
        with _explained(url):
            answers = self._objects.get_object(Bucket=bucket, Key=_place(url)[1])["Body"]
            for prediction in _predictions(answers, url):
                line = next(numbers, None)
                if line is None:
                    raise _uneven(url, asked.source)
                count += 1
                document = {"line": line, "prediction": prediction}
                output.write(json.dumps(document, ensure_ascii=False).encode() + b"\n")
        if next(numbers, None) is not None:
            raise _uneven(url, asked.source)
        return Answered(job=job, instances=count, answers_url=url)

    def _instance_lines(self, bucket: str, key: str) -> Iterator[int]:
        """Give the numbers of the input's lines that have an instance, counted from 1."""
        body = self._objects.get_object(Bucket=bucket, Key=key)["Body"]
        lines = gzip.GzipFile(fileobj=body) if key.endswith(".gz") else body.iter_lines()
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield number


def transform(
    asked: Transform,
    output: Path,
    *,
    overwrite: bool = False,
    told: Callable[[str, str], None] = lambda *_: None,
    pause_seconds: float = 15.0,
) -> Answered:
    """Run the job to its end and write its answers, whole or not at all.

    `told` hears the job's name with each new status.
    """
    if output.exists() and not overwrite:
        raise RefusedError(f"{output} is there already. Name another one, or say --overwrite.")
    jobs = TransformJobs(asked.region)
    job = jobs.start(asked)
    jobs.wait(job, lambda status: told(job, status), pause_seconds=pause_seconds)
    draft = output.with_name(f"{output.name}.partial")
    try:
        with draft.open("wb") as file:
            answered = jobs.fetch(asked, job, file)
        draft.replace(output)
    except OSError as error:
        raise ModelExportError(f"{error.filename or output}: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)
    return answered


def _predictions(body: Any, url: str) -> Iterator[JsonValue]:
    """Read the container's documents, which stand one behind the other, with breaks or without."""
    decoder = json.JSONDecoder()
    waiting = ""
    # A piece may end inside a character.
    text = getincrementaldecoder("utf-8")()
    while True:
        piece = body.read(_PIECE_BYTES)
        waiting = (waiting + text.decode(piece, final=not piece)).lstrip()
        while waiting:
            try:
                document, end = decoder.raw_decode(waiting)
            except ValueError as error:
                if piece:
                    break  # the rest of it is still to come
                raise ModelExportError(f"{url} is no answer of a TensorFlow server.") from error
            waiting = waiting[end:].lstrip()
            if not isinstance(document, dict) or not isinstance(
                found := document.get("predictions"), list
            ):
                raise ModelExportError(f"{url} is no answer of a TensorFlow server.")
            yield from found
        if not piece:
            return


def _place(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    key = parts.path.lstrip("/")
    if parts.scheme != "s3" or not parts.netloc or not key or key.endswith("/"):
        raise RefusedError(f"{url}: write the file itself, as s3://BUCKET/FOLDER/rows.jsonl.")
    return parts.netloc, key


def _answers_folder(source: str, base: str) -> str:
    return f"{source.rpartition('/')[0]}/{base}"


def _attempt(name: str) -> int:
    number = name.rpartition("-")[2]
    return int(number) if number.isdigit() else 0


def _uneven(url: str, source: str) -> ModelExportError:
    return ModelExportError(
        f"{url} has not one answer for each line of {source}. Nothing was written here; look at "
        "the answers themselves, or ask an endpoint with `model-export batch`."
    )


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Say what Amazon's errors mean for the user."""
    from botocore import exceptions as boto  # noqa: PLC0415 comes with the client

    try:
        yield
    except boto.ClientError as error:
        fault = error.response.get("Error", {})
        if fault.get("Code") in {"404", "NoSuchKey", "NoSuchBucket"}:
            raise RefusedError(f"There is no {what}.") from error
        raise ModelExportError(
            f"{what}: {error.operation_name} failed ({fault.get('Code')}: {fault.get('Message')})."
        ) from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError) as error:
        raise RefusedError(
            f"{what}: no AWS credentials were found. Run `aws configure` or `aws sso login`, or "
            "run where a role is attached."
        ) from error
    except boto.BotoCoreError as error:
        raise ModelExportError(f"{what}: {error}") from error
