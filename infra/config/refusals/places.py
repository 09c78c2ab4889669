"""What says where a stack is, and what may serve where. Pure data."""

from typing import Final

from infra.config.refusals.refusal import ALL, AWS, CLOUDS, GCP, KUBERNETES, LOCAL, PROCESS, Refusal
from infra.config.values import Target

PLACE_REFUSALS: Final = (
    # The place itself.
    Refusal(
        field="bucket.path",
        platforms=CLOUDS,
        reason="the bucket is made in the cloud, not in a directory",
        remedy="Write name: instead, or leave it out and a name is made",
    ),
    Refusal(
        field="bucket.name",
        platforms=LOCAL,
        reason="the bucket of a local stack is a directory",
        remedy="Write path: instead, for example: path: .servestack/bucket",
    ),
    Refusal(
        field="bucket.name",
        platforms=KUBERNETES,
        reason="there is no cloud to make a bucket in; the nodes mount a directory",
        remedy="Write path: instead, for example: path: /mnt/models",
    ),
    Refusal(
        field="bucket.force_destroy",
        platforms=KUBERNETES,
        reason="the directory on the nodes is not the stack's to delete",
        remedy="Remove the line",
    ),
    Refusal(
        field="local",
        platforms=ALL - LOCAL,
        reason="only a stack of platform local runs servers on this machine",
        remedy="Remove the section",
    ),
    Refusal(
        field="local.image",
        platforms=LOCAL,
        servers=PROCESS,
        reason="the server is a process, not a container",
        remedy="Remove the line, or write: server: docker",
    ),
    Refusal(
        field="gcp",
        platforms=ALL - GCP,
        reason="only a stack of platform gcp is on Google Cloud",
        remedy="Remove the section",
    ),
    Refusal(
        field="aws",
        platforms=ALL - AWS,
        reason="only a stack of platform aws is on AWS",
        remedy="Remove the section",
    ),
    Refusal(
        field="kubernetes",
        platforms=LOCAL,
        reason="a local stack has no cluster",
        remedy="Remove the section",
    ),
    Refusal(
        field="kubernetes.context",
        platforms=CLOUDS,
        reason="a stack in a cloud makes its own cluster",
        remedy="Remove the line, or write: servestack:platform: kubernetes",
    ),
    Refusal(
        field="observe",
        platforms=LOCAL,
        reason="nothing on this machine keeps metrics, shows them or mails",
        remedy="Remove the section; a Prometheus of yours finds a model's metrics below its output "
        "rest, at /monitoring/prometheus/metrics",
    ),
    Refusal(
        field="observe.alerts.emails",
        platforms=KUBERNETES,
        reason="in a cluster it is its Alertmanager that mails",
        remedy="Remove the line, and route alerts with the label servestack_stack to a receiver "
        "there",
    ),
    # Which target fits which platform.
    Refusal(
        field="models.*.target",
        value=Target.LOCAL,
        platforms=ALL - LOCAL,
        reason="only a stack of platform local serves on this machine",
        remedy="Remove the line",
    ),
    Refusal(
        field="models.*.target",
        value=Target.KUBERNETES,
        platforms=LOCAL,
        reason="a local stack has no cluster",
        remedy="Remove the line, or put the model into a stack of platform kubernetes, gcp or aws",
    ),
    Refusal(
        field="models.*.target",
        value=Target.VERTEX,
        platforms=ALL - GCP,
        reason="Vertex AI is a service of Google Cloud",
        remedy="Remove the line, or put the model into a stack of platform gcp",
    ),
    Refusal(
        field="models.*.target",
        value=Target.SAGEMAKER,
        platforms=ALL - AWS,
        reason="SageMaker is a service of AWS",
        remedy="Remove the line, or put the model into a stack of platform aws",
    ),
)
