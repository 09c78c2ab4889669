"""Batch transforms through `model-export`, by Amazon's own client, in front of moto."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner

from model_export.cli import main
from model_export.errors import ModelExportError, RefusedError
from model_export.prediction.sagemaker_batch import Transform, transform
from tests.aws.moto_server import ACCOUNT, CREDENTIALS, REGION, empty

# Each is quick; all of them together are not.
pytestmark = pytest.mark.slow

ROWS = [{"x": number} for number in range(5)]
SOURCE = "s3://models/heart/.sagemaker/in/rows.jsonl"
ASKED = Transform(region=REGION, model_name="heart-2", source=SOURCE)


@pytest.fixture
def client(aws_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Give an account with a bucket and a model, and clients for it."""
    empty(aws_url)
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": aws_url}.items():
        monkeypatch.setenv(name, value)
    make: Any = boto3.session.Session(region_name=REGION).client
    place = {"LocationConstraint": REGION}
    make("s3").create_bucket(Bucket="models", CreateBucketConfiguration=place)
    make("sagemaker").create_model(
        ModelName="heart-2",
        ExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/heart",
        PrimaryContainer={"Image": "image", "ModelDataUrl": "s3://models/model.tar.gz"},
    )
    found: Callable[[str], Any] = make
    return found


def put(make: Callable[[str], Any], url: str, data: bytes) -> None:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    make("s3").put_object(Bucket=bucket, Key=key, Body=data)


def lines(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def answer(make: Callable[[str], Any], data: bytes, source: str = SOURCE) -> None:
    """Leave the answers where the job of this request would; moto's jobs are done at once."""
    bucket, _, key = source.removeprefix("s3://").partition("/")
    tag = make("s3").head_object(Bucket=bucket, Key=key)["ETag"]
    asked = Transform(region=REGION, model_name="heart-2", source=source)
    folder, _, name = source.rpartition("/")
    put(make, f"{folder}/{asked.base_name(tag)}/{name}.out", data)


def jobs(make: Callable[[str], Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = make("sagemaker").list_transform_jobs()["TransformJobSummaries"]
    return found


def test_a_whole_file_comes_back_in_its_order(client: Callable[[str], Any], tmp_path: Path) -> None:
    put(client, SOURCE, lines(ROWS[:2]) + b"\n" + lines(ROWS[2:]))
    # The container's documents: one for each request, with line breaks inside, words in UTF-8.
    documents = [{"predictions": ["é", [1.5]]}, {"predictions": [2, 3, {"a": 4}]}]
    answer(client, "\n".join(json.dumps(one, indent=4) for one in documents).encode())
    said: list[str] = []
    output = tmp_path / "out.jsonl"
    done = transform(ASKED, output, told=lambda _, status: said.append(status))
    assert (done.instances, said) == (5, ["Completed"])
    assert [json.loads(line) for line in output.read_text().splitlines()] == [
        {"line": 1, "prediction": "é"},
        {"line": 2, "prediction": [1.5]},
        {"line": 4, "prediction": 2},
        {"line": 5, "prediction": 3},
        {"line": 6, "prediction": {"a": 4}},
    ]
    job = client("sagemaker").describe_transform_job(TransformJobName=done.job)
    assert job["TransformInput"]["SplitType"] == "Line"
    assert job["ModelName"] == "heart-2"


def test_the_same_request_finds_its_own_job_again(
    client: Callable[[str], Any], tmp_path: Path
) -> None:
    put(client, SOURCE, lines(ROWS))
    answer(client, json.dumps({"predictions": [0] * 5}).encode())
    first = transform(ASKED, tmp_path / "one")
    assert transform(ASKED, tmp_path / "two") == first
    assert len(jobs(client)) == 1
    put(client, SOURCE, lines(ROWS[:1]))
    answer(client, json.dumps({"predictions": [0]}).encode())
    assert transform(ASKED, tmp_path / "three").job != first.job


def test_a_failed_job_is_told_and_begun_again(
    client: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(client, SOURCE, lines(ROWS))
    answer(client, json.dumps({"predictions": [0] * 5}).encode())
    from model_export.prediction import sagemaker_batch  # noqa: PLC0415 - to be patched

    make = sagemaker_batch.TransformJobs
    status = ["InProgress", "Failed"]

    class Failing(make):  # type: ignore[misc,valid-type]
        def __init__(self, region: str) -> None:
            super().__init__(region)
            describe = self._jobs.describe_transform_job
            self._jobs.describe_transform_job = lambda **asked: {
                **describe(**asked),
                "TransformJobStatus": status.pop(0),
                "FailureReason": "ClientError: no such input",
            }

    with monkeypatch.context() as patch:
        patch.setattr(sagemaker_batch, "TransformJobs", Failing)
        with pytest.raises(ModelExportError, match="failed: ClientError: no such input"):
            transform(ASKED, tmp_path / "out", pause_seconds=0.01)
    assert not (tmp_path / "out").exists()
    assert [job["TransformJobName"][-2:] for job in jobs(client)] == ["-1"]

    class Failed(make):  # type: ignore[misc,valid-type]
        def __init__(self, region: str) -> None:
            super().__init__(region)
            listed = {
                "TransformJobSummaries": [{**jobs(client)[0], "TransformJobStatus": "Failed"}]
            }
            self._jobs.list_transform_jobs = lambda **_: listed

    with monkeypatch.context() as patch:
        patch.setattr(sagemaker_batch, "TransformJobs", Failed)
        assert transform(ASKED, tmp_path / "out").job.endswith("-2")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (b'{"predictions": [1, 2]}', "not one answer for each line"),
        (b'{"predictions": [1, 2, 3, 4, 5, 6]}', "not one answer for each line"),
        (b'{"error": "no"}', "no answer of a TensorFlow server"),
        (b'{"predictions": [1, 2', "no answer of a TensorFlow server"),
    ],
)
def test_answers_that_do_not_fit_are_no_output(
    client: Callable[[str], Any], tmp_path: Path, answers: bytes, said: str
) -> None:
    put(client, SOURCE, lines(ROWS))
    answer(client, answers)
    with pytest.raises(ModelExportError, match=said):
        transform(ASKED, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_asked_is_refused(client: Callable[[str], Any], tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"There is no s3://models/heart"):
        transform(ASKED, tmp_path / "out")
    folder = Transform(region=REGION, model_name="heart-2", source="s3://models/heart/")
    with pytest.raises(RefusedError, match=r"write the file itself"):
        transform(folder, tmp_path / "out")
    (tmp_path / "there").touch()
    with pytest.raises(RefusedError, match="--overwrite"):
        transform(ASKED, tmp_path / "there")
    put(client, SOURCE, lines(ROWS))
    unknown = Transform(
        region=REGION, model_name="heart-2", source=SOURCE, instance_type="ml.m5.tiny"
    )
    answer(client, b"")
    with pytest.raises(ModelExportError):
        transform(unknown, tmp_path / "out")


def test_the_command_answers_like_the_others(client: Callable[[str], Any], tmp_path: Path) -> None:
    source = f"{SOURCE}.gz"
    put(client, source, gzip.compress(lines(ROWS)))
    answer(client, json.dumps({"predictions": [0] * 5}).encode(), source)
    output = tmp_path / "out.jsonl"
    arguments = ["transform", "--input", source, "--output", str(output), "--model-name", "heart-2"]
    done = CliRunner().invoke(main, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["instances"] == 5
    assert ": Completed" in done.stderr
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr
