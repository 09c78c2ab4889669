"""The place in a Kubernetes cluster. Pure data, checked field by field."""

from collections.abc import Mapping

from pydantic import Field

from infra.config.kubernetes_values import (
    AnnotationValue,
    AwsRegionName,
    ClientsPerGpu,
    HostName,
    HttpUrl,
    LabelValue,
    MetaKey,
    NodePath,
    ObjectName,
    SecretName,
    TaintKeys,
)
from infra.config.sections.section import Section
from infra.config.values import (
    AcceleratorType,
    Count,
    KubeContext,
    KubeNamespace,
    PoolName,
    YesNo,
)


class ClusterBucketConfig(Section):
    """How pods reach the bucket that `bucket` names."""

    node_path: NodePath | None = Field(
        default=None,
        description="Where each node has the directory `bucket.path`. Absent: at the same path.",
    )
    claim: ObjectName | None = Field(
        default=None,
        description="A PersistentVolumeClaim of the namespace that shows `bucket.path`. "
        "Absent: the nodes have the directory.",
    )
    mountpoint: YesNo = Field(
        default=False,
        description="Mount s3:// with the Mountpoint CSI driver. `false`: each pod fetches its "
        "version before it starts.",
    )
    endpoint: HttpUrl | None = Field(
        default=None,
        description="An S3-compatible store, as pods reach it. Absent: AWS's own. This machine "
        "finds it by AWS_ENDPOINT_URL_S3.",
    )
    region: AwsRegionName | None = Field(default=None, description="Region of an s3:// bucket.")
    secret: SecretName | None = Field(
        default=None,
        description="A Secret of the namespace with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. "
        "Absent: the pod's own identity.",
    )


class GatewayConfig(Section):
    """A Gateway of the cluster, which divides traffic by weight."""

    name: ObjectName = Field(description="Name of the Gateway.")
    namespace: KubeNamespace = Field(description="Its namespace.")
    domain: HostName = Field(
        description="Each model answers REST at MODEL.DOMAIN and gRPC at MODEL--grpc.DOMAIN."
    )
    tls: YesNo = Field(default=True, description="Whether its listeners speak TLS.")


class ExistingPoolConfig(Section):
    """GPU nodes of a cluster that exists."""

    accelerator: AcceleratorType = Field(
        description="What a model's gpu.type calls it, for example nvidia-l4."
    )
    node_labels: Mapping[MetaKey, LabelValue] = Field(
        description="Labels by which its nodes are known."
    )
    taints: TaintKeys = Field(
        default=("nvidia.com/gpu",), description="Keys of the taints that its nodes have."
    )
    gpus_per_node: Count = Field(default=1, description="GPUs of each node.")
    max_nodes: Count = Field(default=1, description="Most nodes that it may grow to.")
    clients_per_gpu: ClientsPerGpu | None = Field(
        default=None, description="Pods that share one GPU there. Absent: one."
    )


class KubernetesConfig(Section):
    """The place in a cluster."""

    context: KubeContext | None = Field(
        default=None, description="Context of your kubeconfig that names the existing cluster."
    )
    namespace: KubeNamespace | None = Field(
        default=None, description="Namespace of the models. Absent: made from the stack's name."
    )
    create_namespace: YesNo = Field(
        default=True,
        description="Make the namespace, and delete it with the stack. `false`: it is there.",
    )
    bucket: ClusterBucketConfig = Field(
        default=ClusterBucketConfig(), description="How pods reach the bucket."
    )
    gateway: GatewayConfig | None = Field(
        default=None,
        description="A Gateway of the cluster, which divides traffic by weight. Absent: a canary "
        "gets its share by its number of pods.",
    )
    gpu_pools: Mapping[PoolName, ExistingPoolConfig] = Field(
        default={},
        description="GPU nodes of the cluster, by a name of yours. Absent: found by the labels "
        "that GKE, EKS and NVIDIA put on nodes.",
    )
    service_account_annotations: Mapping[MetaKey, AnnotationValue] = Field(
        default={},
        description="Annotations of the models' service accounts, by which a cloud knows them.",
    )
