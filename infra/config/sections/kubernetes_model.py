"""What a model may say of how Kubernetes serves it. Pure data, checked field by field.

Most models say none of it.
"""

from collections.abc import Mapping

from pydantic import Field

from infra.config.kubernetes_values import (
    AnnotationValue,
    DecimalText,
    DrainSeconds,
    HostName,
    HttpUrl,
    LabelValue,
    MetaKey,
    MetricName,
    Namespaces,
    ObjectName,
    Precision,
    PrecisionChoice,
    PrometheusQuery,
    Scrape,
    ScrapeChoice,
    SecretName,
    ServiceKind,
    ServiceKindChoice,
    SomeReplicas,
    Spread,
    SpreadChoice,
)
from infra.config.sections.section import Section
from infra.config.values import Count, Image, Percent, Seconds, Version, YesNo


class IngressConfig(Section):
    """An Ingress for REST."""

    host: HostName = Field(description="Host name that leads to the model.")
    class_name: ObjectName | None = Field(
        default=None, description="Class of the Ingress. Absent: the cluster's default."
    )
    tls_secret: SecretName | None = Field(
        default=None, description="A Secret of the namespace with the certificate. Absent: no TLS."
    )
    annotations: Mapping[MetaKey, AnnotationValue] = Field(
        default={}, description="Annotations that its controller reads."
    )


class LoadMetricsConfig(Section):
    """Load besides the CPU's, where the cluster has an adapter that knows it."""

    requests_per_second: Count | None = Field(
        default=None, description="Requests a second and pod at which pods are added."
    )
    requests_metric: MetricName = Field(
        default="tensorflow_serving_requests_per_second",
        description="The pods' metric that says how many there are.",
    )
    gpu_duty_cycle_percent: Percent | None = Field(
        default=None, description="How busy GPUs may be before pods are added."
    )
    gpu_metric: MetricName = Field(
        default="kubernetes.io|container|accelerator|duty_cycle",
        description="The metric that says how busy they are; as it stands, GKE's.",
    )


class KedaConfig(Section):
    """Pods by a Prometheus query, through KEDA, down to none."""

    min_replicas: SomeReplicas = Field(default=0, description="Fewest pods.")
    max_replicas: Count = Field(description="Most pods.")
    prometheus_url: HttpUrl = Field(description="The Prometheus that KEDA asks.")
    query: PrometheusQuery = Field(
        description="What it asks. With no pod left, only what is before the pods can count."
    )
    threshold: DecimalText = Field(description="What one pod bears of what the query gives.")
    cooldown_seconds: Seconds = Field(
        default=300, description="How long nothing may come before the last pod goes."
    )


class ConversionConfig(Section):
    """A version for TensorRT, made from another on the GPU nodes."""

    of: Version = Field(description="The version that is converted.")
    to: Version = Field(description="The version that the result is published as.")
    precision: PrecisionChoice = Field(
        default=Precision.FP16, description="In what numbers the GPU reckons."
    )
    publisher_image: Image = Field(
        description="An image with model-export in it, for example the one that you train in."
    )
    image: Image = Field(
        default="nvcr.io/nvidia/tensorflow:25.02-tf2-py3",
        description="Image that converts: TensorFlow up to 2.17, with TensorRT.",
    )


class KubernetesModelConfig(Section):
    """What only Kubernetes knows of a model."""

    image: Image | None = Field(
        default=None,
        description="Image of the server, by tag or digest. Absent: tensorflow/serving, "
        "with -gpu for a model with a GPU.",
    )
    image_pull_secret: SecretName | None = Field(
        default=None, description="A Secret of the namespace for the image's registry."
    )
    service_type: ServiceKindChoice = Field(
        default=ServiceKind.CLUSTER_IP, description="From where the Service is reached."
    )
    service_annotations: Mapping[MetaKey, AnnotationValue] = Field(
        default={}, description="Annotations of the Service, which load balancers read."
    )
    headless: YesNo = Field(
        default=False,
        description="A second Service, MODEL-headless, for gRPC clients that balance themselves.",
    )
    ingress: IngressConfig | None = Field(default=None, description="An Ingress for REST.")
    network_policy: YesNo = Field(
        default=True, description="Refuse all connections but those that are needed."
    )
    client_namespaces: Namespaces = Field(
        default=(), description="Namespaces whose pods may ask. Absent: each pod of the cluster."
    )
    disruption_budget: YesNo = Field(
        default=True, description="Let nodes be drained one pod at a time."
    )
    spread: SpreadChoice = Field(
        default=Spread.PREFER, description="How hard pods are kept apart, on zones and nodes."
    )
    priority_class: ObjectName | None = Field(
        default=None, description="Priority class of the pods."
    )
    node_labels: Mapping[MetaKey, LabelValue] = Field(
        default={}, description="Labels that a node must have."
    )
    drain_seconds: DrainSeconds = Field(
        default=15, description="How long a pod that goes still answers."
    )
    scrape: ScrapeChoice = Field(
        default=Scrape.ANNOTATIONS,
        description="How a Prometheus finds the metrics. With an `observe` section the default is "
        "what its alerts and, on Google Cloud, its dashboard are made from.",
    )
    load: LoadMetricsConfig | None = Field(
        default=None, description="Load besides the CPU's; the numbers are those of autoscaling."
    )
    keda: KedaConfig | None = Field(
        default=None, description="Pods by a Prometheus query, down to none."
    )
    conversion: ConversionConfig | None = Field(
        default=None, description="A version for TensorRT, made from another on the GPU nodes."
    )
