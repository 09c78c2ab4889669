"""A batch prediction job of Vertex AI: files in Cloud Storage, on machines that go with the job.

Owns the job's life: the same request finds its own job again, whatever became of the process that
began it. What the job writes stays where it was asked to be. Credentials are the client's default
chain and nothing else.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from model_export.errors import ModelExportError, RefusedError
from model_export.prediction.endpoint import VertexEndpoint, parse_endpoint
from model_export.prediction.vertex_client import service_client

FORMATS: Final = ("jsonl", "csv", "tf-record", "tf-record-gzip")
_ENDINGS: Final = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tfrecord": "tf-record",
    ".tfrecords": "tf-record",
    ".tfrecord.gz": "tf-record-gzip",
    ".tfrecords.gz": "tf-record-gzip",
}
_FILES, _TABLE = "gs://", "bq://"
_DIGEST_CHARACTERS: Final = 12
_CALL_SECONDS: Final = 60.0
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 30.0
_RUNNING: Final = frozenset(
    {"JOB_STATE_QUEUED", "JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_CANCELLING"}
)
_DONE: Final = frozenset({"JOB_STATE_SUCCEEDED", "JOB_STATE_PARTIALLY_SUCCEEDED"})


@dataclass(frozen=True, kw_only=True)
class BatchJob:
    """What is asked: which model, of which files, where to, on what machines.

    `model` is `vertex://PROJECT/REGION/MODEL[@VERSION]`, the version by number or alias.
    """

    model: str
    inputs: tuple[str, ...]
    output: str
    service_account: str
    form: str | None = None
    machine_type: str = "n1-standard-2"
    accelerator: str | None = None
    accelerators: int = 1
    replicas: int = 1
    batch_size: int = 64

    @property
    def instances_format(self) -> str:
        """Tell the format, by the names' endings where it is not given."""
        if self.form is not None:
            return self.form
        found = {
            next((form for ending, form in _ENDINGS.items() if name.endswith(ending)), None)
            for name in self.inputs
        }
        form = found.pop() if len(found) == 1 else None
        if form is None:
            raise RefusedError(
                f"What format {', '.join(self.inputs)} has is not to be seen from the name. "
                f"Give --format: {', '.join(FORMATS)}."
            )
        return form

    def place(self) -> VertexEndpoint:
        """Read where the model is."""
        with suppress(RefusedError):  # which tells how the place of a server is written
            found = parse_endpoint(self.model)
            if isinstance(found, VertexEndpoint):
                return found
        # What was given is not repeated: it may have a password in it.
        raise RefusedError(
            "That is no model of the registry: write vertex://PROJECT/REGION/MODEL[@VERSION or "
            "@ALIAS], as the output models.MODEL.registry_model of its stack has it."
        )

    def require_sound(self) -> None:
        """Refuse what Vertex AI would refuse later."""
        self.place()
        for name in self.inputs:
            if not name.startswith(_FILES):
                raise RefusedError(f"Input {name}: a job reads from gs:// only.")
        if not self.output.startswith((_FILES, _TABLE)):
            raise RefusedError(
                f"Output {self.output}: a job writes to gs://BUCKET/PREFIX or bq://PROJECT.DATASET."
            )
        _ = self.instances_format


@dataclass(frozen=True, kw_only=True)
class BatchResult:
    """What came of it; `output` is the directory or the table that the job made."""

    job: str
    model_version: str
    output: str
    predicted: int
    failed: int


Told = Callable[[str], None]


class BatchJobs:
    """Jobs of one place."""

    def __init__(self, asked: BatchJob) -> None:
        asked.require_sound()
        self._asked = asked
        self._place = asked.place()
        self._parent = f"projects/{self._place.project}/locations/{self._place.region}"
        self._jobs = service_client(self._place, "JobService")

    def start(self, *, again: bool = False) -> str:
        """Begin the job, or find the one that the same request has begun; give its name.

        One that failed is begun anew, and with `again` one that succeeded.
        """
        version = self._version()
        known = self._known(version)
        if known is not None and (known.state.name in _RUNNING or not again):
            return str(known.name)
        with _explained(self._place.name):
            made = self._jobs.create_batch_prediction_job(
                parent=self._parent,
                batch_prediction_job=self._message(version),
                timeout=_CALL_SECONDS,
            )
        return str(made.name)

    def cancel(self) -> str | None:
        """Stop the job that the same request has begun; give its name, None if none runs."""
        known = self._known(self._version())
        if known is None or known.state.name not in _RUNNING:
            return None
        with _explained(self._place.name):
            self._jobs.cancel_batch_prediction_job(name=known.name, timeout=_CALL_SECONDS)
        return str(known.name)

    def wait(self, name: str, told: Told) -> BatchResult:
        """Return when the job is done; say why when it failed. `told` hears what is new."""
        pause, said = _FIRST_PAUSE_SECONDS, ""
        while True:
            job = self._read(name)
            state = job.state.name.removeprefix("JOB_STATE_").lower().replace("_", " ")
            stats = job.completion_stats
            now = f"{state}, {stats.successful_count:,} predicted, {stats.failed_count:,} failed"
            if now != said:
                told(now)
                said = now
            if job.state.name in _DONE:
                return _result(job)
            if job.state.name not in _RUNNING:
                raise ModelExportError(
                    f"{name} ended as {state}: {job.error.message or 'Vertex AI does not say why'}."
                )
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)

    def _read(self, name: str) -> Any:
        from google.api_core.retry import Retry  # noqa: PLC0415 comes with the client

        with _explained(name):
            # A job runs for hours: an answer that is lost does not end the waiting.
            return self._jobs.get_batch_prediction_job(
                name=name, timeout=_CALL_SECONDS, retry=Retry(timeout=600.0)
            )

    def _version(self) -> str:
        """Name exactly the version that is meant now: an alias may move while the job runs."""
        model, _, version = self._place.endpoint.partition("@")
        name = f"{self._parent}/models/{model}" + (f"@{version}" if version else "")
        with _explained(self._place.name):
            found = service_client(self._place, "ModelService").get_model(
                name=name, timeout=_CALL_SECONDS
            )
        return f"{found.name.partition('@')[0]}@{found.version_id}"

    def _known(self, version: str) -> Any:
        """Find the last job of this request that was not in vain."""
        request = {
            "parent": self._parent,
            "filter": f'display_name="{self._display_name(version)}"',
        }
        with _explained(self._place.name):
            found = list(
                self._jobs.list_batch_prediction_jobs(request=request, timeout=_CALL_SECONDS)
            )
        useful = [job for job in found if job.state.name in _RUNNING | _DONE]
        return max(useful, key=lambda job: job.create_time, default=None)

    def _display_name(self, version: str) -> str:
        asked = self._asked
        parts = (
            version,
            *asked.inputs,
            asked.output,
            asked.service_account,
            asked.instances_format,
            asked.machine_type,
            f"{asked.accelerator} {asked.accelerators} {asked.replicas} {asked.batch_size}",
        )
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_DIGEST_CHARACTERS]
        return f"servestack-{version.rpartition('/')[2].replace('@', '-')}-{digest}"

    def _message(self, version: str) -> dict[str, Any]:
        asked = self._asked
        machine: dict[str, Any] = {"machine_type": asked.machine_type}
        if asked.accelerator:
            machine |= {
                "accelerator_type": asked.accelerator,
                "accelerator_count": asked.accelerators,
            }
        output: dict[str, Any] = {
            "predictions_format": "jsonl",
            "gcs_destination": {"output_uri_prefix": asked.output},
        }
        if asked.output.startswith(_TABLE):
            output = {
                "predictions_format": "bigquery",
                "bigquery_destination": {"output_uri": asked.output},
            }
        return {
            "display_name": self._display_name(version),
            "model": version,
            "input_config": {
                "instances_format": asked.instances_format,
                "gcs_source": {"uris": list(asked.inputs)},
            },
            "output_config": output,
            "dedicated_resources": {
                "machine_spec": machine,
                "starting_replica_count": asked.replicas,
                "max_replica_count": asked.replicas,
            },
            "service_account": asked.service_account,
            "manual_batch_tuning_parameters": {"batch_size": asked.batch_size},
        }


def _result(job: Any) -> BatchResult:
    made = job.output_info
    table = f"{made.bigquery_output_dataset}.{made.bigquery_output_table}"
    return BatchResult(
        job=str(job.name),
        model_version=f"{job.model}@{job.model_version_id}",
        output=str(made.gcs_output_directory or table),
        predicted=int(job.completion_stats.successful_count),
        failed=int(job.completion_stats.failed_count),
    )


@contextmanager
def _explained(where: str) -> Iterator[None]:
    from google.api_core.exceptions import GoogleAPIError  # noqa: PLC0415 comes with the client
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 comes with the client

    try:
        yield
    except (GoogleAPIError, GoogleAuthError) as error:
        raise ModelExportError(f"{where}: {' '.join(str(error).split())}") from error
