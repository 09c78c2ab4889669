"""JobService: batch predictions."""

from datetime import UTC, datetime
from typing import Any

from google.cloud import aiplatform_v1 as v1
from google.protobuf import empty_pb2

from tests.vertex.server.api_error import invalid, missing, precondition
from tests.vertex.server.world import World, check_labels, check_machine

_RUNNING = (v1.JobState.JOB_STATE_PENDING, v1.JobState.JOB_STATE_RUNNING)


def create_job(world: World, request: Any) -> Any:
    parent = world.canonical(request.parent)
    job = v1.BatchPredictionJob.deserialize(
        v1.BatchPredictionJob.serialize(request.batch_prediction_job)
    )
    version = world.version(world.canonical(job.model))
    source, target = job.input_config, job.output_config
    if not job.display_name:
        raise invalid("display_name is required.")
    if not job.dedicated_resources.machine_spec.machine_type:
        raise invalid("A custom container needs dedicated_resources.")
    check_machine(job.dedicated_resources.machine_spec)
    check_labels(job.labels)
    if not all(uri.startswith("gs://") for uri in source.gcs_source.uris):
        raise invalid("Instances are in Cloud Storage.")
    if "gcs_destination" in target and target.predictions_format != "jsonl":
        raise invalid("Files are written as jsonl.")
    if "bigquery_destination" in target and target.predictions_format != "bigquery":
        raise invalid("A table is written as bigquery.")
    if not job.service_account:
        raise invalid("The container would read the model's bucket as nobody.")
    job.name = f"{parent}/batchPredictionJobs/{len(world.jobs) + 1}"
    job.model = version.name
    job.model_version_id = version.version_id
    job.create_time = datetime.now(UTC)
    job.state = v1.JobState.JOB_STATE_PENDING
    world.jobs[job.name] = job
    return job


def get_job(world: World, request: Any) -> Any:
    job = world.jobs.get(world.canonical(request.name))
    if job is None:
        raise missing(f"Job {request.name} is not found.")
    # It gets on when somebody looks.
    if job.name in world.held_jobs or job.state not in _RUNNING:
        return job
    if job.state == v1.JobState.JOB_STATE_PENDING:
        job.state = v1.JobState.JOB_STATE_RUNNING
        job.completion_stats = v1.CompletionStats(successful_count=1, incomplete_count=2)
        return job
    job.state = v1.JobState.JOB_STATE_SUCCEEDED
    job.completion_stats = v1.CompletionStats(successful_count=3)
    target = job.output_config
    if "gcs_destination" in target:
        prefix = target.gcs_destination.output_uri_prefix
        job.output_info.gcs_output_directory = f"{prefix}/prediction-{job.display_name}-1"
    else:
        job.output_info.bigquery_output_dataset = target.bigquery_destination.output_uri
        job.output_info.bigquery_output_table = "predictions_1"
    return job


def list_jobs(world: World, request: Any) -> Any:
    parent = world.canonical(request.parent)
    wanted = request.filter.partition('display_name="')[2].rstrip('"')
    found = [
        job
        for job in world.jobs.values()
        if job.name.startswith(f"{parent}/") and (not wanted or job.display_name == wanted)
    ]
    return v1.ListBatchPredictionJobsResponse(batch_prediction_jobs=found)


def cancel_job(world: World, request: Any) -> Any:
    job = world.jobs.get(world.canonical(request.name))
    if job is None:
        raise missing(f"Job {request.name} is not found.")
    if job.state not in _RUNNING:
        raise precondition(f"Job {request.name} is over.")
    job.state = v1.JobState.JOB_STATE_CANCELLED
    return empty_pb2.Empty()
