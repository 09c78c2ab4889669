"""A batch prediction job by `model-export job`, on the server that speaks Vertex AI's protocol."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from infra.serving.vertex.api import VertexApi
from infra.serving.vertex.registry import ensure_aliases, ensure_version
from infra.serving.vertex.specs import Place
from model_export.cli import main
from tests.vertex.specs import aliases_spec, version_spec

if TYPE_CHECKING:
    from tests.vertex.server.server import VertexServer

pytestmark = pytest.mark.slow

Run = Callable[..., Result]
ACCOUNT = "serving@example-ml.iam.gserviceaccount.com"


@pytest.fixture
def registered(vertex: "VertexServer", place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have two versions of a model, the second of them stable."""
    monkeypatch.setattr("model_export.prediction.vertex_batch._FIRST_PAUSE_SECONDS", 0.01)
    api = VertexApi(place)
    for version in (1, 2):
        ensure_version(api, version_spec(place, version), lambda _: None)
    ensure_aliases(api, aliases_spec(place, stable=2), frozenset(), lambda _: None)
    vertex.calls.clear()


@pytest.fixture
def run(registered: None, place: Place) -> Run:  # noqa: ARG001 - it is needed, not looked at
    def invoke(*more: str, **changes: str) -> Result:
        options = {
            "model": f"vertex://example-ml/europe-west4/dev_heart@stable?host={place.api_host}",
            "input": "gs://example-data/rows.jsonl",
            "output": "gs://example-data/out",
            "service-account": ACCOUNT,
            **{name.replace("_", "-"): value for name, value in changes.items()},
        }
        given = [part for name, value in options.items() for part in (f"--{name}", value)]
        return CliRunner().invoke(main, ["job", *given, *more])

    return invoke


def jobs(vertex: "VertexServer") -> list[Any]:
    return list(vertex.world.jobs.values())


def test_files_are_predicted_by_exactly_the_version_that_the_alias_means(
    vertex: "VertexServer", run: Run
) -> None:
    done = run("--json")
    assert done.exit_code == 0, done.output
    (job,) = jobs(vertex)
    assert job.model_version_id == "2"
    assert job.service_account == ACCOUNT
    assert list(job.input_config.gcs_source.uris) == ["gs://example-data/rows.jsonl"]
    assert job.input_config.instances_format == "jsonl"
    assert job.output_config.predictions_format == "jsonl"
    result = json.loads(done.stdout)
    assert result["predicted"] == 3
    assert result["output"].startswith("gs://example-data/out/prediction-")
    assert "running, 1 predicted, 0 failed" in done.stderr


def test_a_table_is_written_as_one(vertex: "VertexServer", run: Run) -> None:
    done = run(
        output="bq://example-ml.predictions", machine_type="g2-standard-4", accelerator="NVIDIA_L4"
    )
    assert "Predicted 3 instances: bq://example-ml.predictions.predictions_1" in done.output
    (job,) = jobs(vertex)
    assert job.output_config.predictions_format == "bigquery"
    assert job.dedicated_resources.machine_spec.accelerator_type.name == "NVIDIA_L4"


def test_the_same_command_waits_for_the_same_job(
    vertex: "VertexServer", run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_seconds: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("model_export.prediction.vertex_batch.time.sleep", killed)
        cut = run()
    assert cut.exit_code == 130
    assert "Run the same command again to wait for it" in cut.output
    assert run().exit_code == 0
    assert run().exit_code == 0
    assert len(jobs(vertex)) == 1
    assert run("--again").exit_code == 0
    assert run(output="gs://example-data/other").exit_code == 0
    assert len(jobs(vertex)) == 3


def test_a_running_job_can_be_stopped_and_then_is_begun_anew(
    vertex: "VertexServer", run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_seconds: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("model_export.prediction.vertex_batch.time.sleep", killed)
        run()
    assert "Stopped projects/" in run("--cancel").output
    assert "No such job runs" in run("--cancel").output
    assert run().exit_code == 0
    assert len(jobs(vertex)) == 2


@pytest.mark.usefixtures("registered")
def test_a_job_that_fails_says_why(vertex: "VertexServer") -> None:
    from infra.serving.vertex.library import v1  # noqa: PLC0415 slow

    def fail(_text: str) -> None:
        (job,) = jobs(vertex)
        job.state = v1.JobState.JOB_STATE_FAILED
        job.error.message = "The replica workers ran out of memory"

    from model_export.prediction.vertex_batch import BatchJob, BatchJobs  # noqa: PLC0415

    asked = BatchJobs(
        BatchJob(
            model=f"vertex://example-ml/europe-west4/dev_heart?host={vertex.address}",
            inputs=("gs://example-data/rows.jsonl",),
            output="gs://example-data/out",
            service_account=ACCOUNT,
        )
    )
    name = asked.start()
    with pytest.raises(Exception, match="ended as failed: The replica workers ran out of memory"):
        asked.wait(name, fail)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"input": "rows.jsonl"}, "a job reads from gs:// only"),
        ({"input": "gs://example-data/rows.parquet"}, "Give --format: jsonl, csv, tf-record"),
        ({"output": "out"}, "a job writes to gs://BUCKET/PREFIX or bq://PROJECT.DATASET"),
        ({"model": "http://127.0.0.1:8501"}, "write vertex://PROJECT/REGION/MODEL"),
        ({"model": "heart"}, "write vertex://PROJECT/REGION/MODEL[@VERSION or @ALIAS]"),
        ({"model": "vertex://my-project/heart"}, "registry: write vertex://PROJECT/REGION/MODEL"),
    ],
)
def test_a_mistake_is_refused_before_anything_is_asked(
    changes: dict[str, str], said: str, vertex: "VertexServer", run: Run
) -> None:
    done = run(**changes)
    assert done.exit_code == 2
    assert said in done.output
    assert not vertex.world.jobs


def test_a_model_that_is_not_there_is_told(place: Place, run: Run) -> None:
    done = run(model=f"vertex://example-ml/europe-west4/nobody?host={place.api_host}")
    assert done.exit_code == 1
    assert "is not found" in done.output
    assert "Traceback" not in done.output
