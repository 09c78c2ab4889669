"""The values that only a stack with a Kubernetes cluster may hold: type, rule, and an example."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from annotated_types import Ge, Le
from pydantic import Strict

from infra.config.values import NUMERAL, Accepts, one_of, text


class ServiceKind(StrEnum):
    """From where a Service is reached."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class Spread(StrEnum):
    """How hard pods are kept apart."""

    PREFER = "prefer"
    REQUIRE = "require"
    NONE = "none"


class Scrape(StrEnum):
    """Who is told where the metrics are."""

    ANNOTATIONS = "annotations"
    POD_MONITORING = "pod-monitoring"
    SERVICE_MONITOR = "service-monitor"


class Precision(StrEnum):
    """In what numbers an accelerator reckons."""

    FP32 = "fp32"
    FP16 = "fp16"


ServiceKindChoice = Annotated[
    ServiceKind, one_of(ServiceKind, "a type of Service", ServiceKind.LOAD_BALANCER)
]
SpreadChoice = Annotated[Spread, one_of(Spread, "a spread", Spread.REQUIRE)]
ScrapeChoice = Annotated[Scrape, one_of(Scrape, "a way of scraping", Scrape.SERVICE_MONITOR)]
PrecisionChoice = Annotated[Precision, one_of(Precision, "a precision", Precision.FP16)]

_NAME_PATTERN = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST_PATTERN = rf"{_NAME_PATTERN}(\.{_NAME_PATTERN})*"

ObjectName = Annotated[
    str,
    text(_HOST_PATTERN),
    Accepts("it is the name of an object in the cluster: a DNS name", "models"),
]
SecretName = Annotated[
    str,
    text(_HOST_PATTERN),
    Accepts("it is the name of a Secret in the namespace, not what is in it", "models-bucket"),
]
HostName = Annotated[
    str,
    text(rf"{_NAME_PATTERN}(\.{_NAME_PATTERN})+"),
    Accepts("it is a host name without scheme and port", "models.example.com"),
]
BucketUrl = Annotated[
    str,
    text(r"(gs|s3)://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](/[\w.-]+)*"),
    Accepts("it is gs://BUCKET or s3://BUCKET, or a folder in one", "gs://example-models"),
]
HttpUrl = Annotated[
    str,
    text(rf"https?://{_HOST_PATTERN}(:[0-9]{{2,5}})?(/[\w./-]*)?"),
    Accepts("it is a URL with http:// or https://", "http://minio.storage:9000"),
]
NodePath = Annotated[
    str,
    text(r"/[^:\x00-\x1f]*[^:\x00-\x1f/]"),
    Accepts("it is an absolute directory of the nodes", "/mnt/models"),
]
MetaKey = Annotated[
    str,
    text(rf"({_HOST_PATTERN}/)?[a-zA-Z0-9]([A-Za-z0-9_.-]{{0,61}}[a-zA-Z0-9])?"),
    Accepts("a key is a name, with a domain and a slash before it or without", "example.com/team"),
]
LabelValue = Annotated[
    str,
    text(r"([a-zA-Z0-9]([A-Za-z0-9_.-]{0,61}[a-zA-Z0-9])?)?"),
    Accepts("a label's value is at most 63 letters, digits, dots, _ and hyphens", "vision"),
]
AnnotationValue = Annotated[str, text(r"[^\x00-\x08\x0b-\x1f]*"), Accepts("it is text", "vision")]
PrometheusQuery = Annotated[
    str, text(r"\S([^\x00-\x1f]*\S)?"), Accepts("it is a query on one line", "sum(rate(x[1m]))")
]
DecimalText = Annotated[
    str, text(r"[0-9]+(\.[0-9]+)?"), Accepts("it is a number in quotes", '"50"')
]
MetricName = Annotated[
    str,
    text(r"[a-zA-Z0-9:_.|/-]+"),
    Accepts("it is the name of a metric", "tensorflow_serving_requests_per_second"),
]
SomeReplicas = Annotated[
    int, Strict(), Ge(0), Le(1_000), NUMERAL, Accepts("it is 0 to 1000 pods", "0")
]
DrainSeconds = Annotated[
    int, Strict(), Ge(1), Le(600), NUMERAL, Accepts("it is 1 to 600 seconds", "15")
]
ClientsPerGpu = Annotated[
    int, Strict(), Ge(2), Le(48), NUMERAL, Accepts("it is 2 to 48 pods for each GPU", "4")
]
AwsRegionName = Annotated[
    str,
    text("[a-z0-9-]{2,32}"),
    Accepts("it is a region as the store names it", "eu-central-1"),
]
Annotations = Mapping[MetaKey, AnnotationValue]
NodeLabels = Mapping[MetaKey, LabelValue]
Namespaces = Annotated[
    tuple[Annotated[str, text(_NAME_PATTERN)], ...],
    Accepts("it is a list of namespaces", "[web, batch]"),
]
TaintKeys = Annotated[
    tuple[MetaKey, ...], Accepts("it is a list of keys", "[nvidia.com/gpu, dedicated]")
]
