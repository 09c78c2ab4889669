"""A version made for TensorRT from another: a Job on the GPU nodes, and the component around it.

Fetches the version and compares it with its manifest, converts it with TF-TRT in an image that
still has it, and publishes the result under a number of its own, with its parent in the manifest.
Where the result stands already, the Job does nothing. Which version is served is no concern here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

import pulumi

# Loaded by the SDK at the first Job, which most stacks have not.
from pulumi_kubernetes import batch
from pulumi_kubernetes.core.v1 import (
    ConfigMap,
    ConfigMapVolumeSourceArgs,
    ContainerArgs,
    EmptyDirVolumeSourceArgs,
    EnvVarArgs,
    PersistentVolumeClaimVolumeSourceArgs,
    PodSpecArgs,
    PodTemplateSpecArgs,
    ResourceRequirementsArgs,
    ServiceAccount,
    VolumeArgs,
    VolumeMountArgs,
)
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs
from pulumi_kubernetes.networking.v1 import NetworkPolicy, NetworkPolicySpecArgs

from infra.compute.pools import NVIDIA_GPU, GpuPool
from infra.names import content_name, publisher_account_name
from infra.serving.tf_serving import conversion_scripts as scripts
from infra.serving.tf_serving.capacity import bytes_of, whole_mib
from infra.serving.tf_serving.digests import specification_digest
from infra.serving.tf_serving.doors import bucket_egress
from infra.serving.tf_serving.fetching import DIGESTS_FILE, digests, secret_keys, store_environment
from infra.serving.tf_serving.marks import COMPONENT, INSTANCE, model_labels
from infra.serving.tf_serving.pods import container_security, pod_security, tolerations
from infra.serving.tf_serving.sources import (
    FETCH_IMAGE,
    FetchFromS3,
    ModelSource,
    MountedClaim,
    ReadFromGcs,
)
from model_export.manifest import Manifest

COMPONENT_TYPE: Final = "servestack:serving:Conversion"
# The last of NVIDIA's with TensorFlow in it, and so with TF-TRT.
CONVERT_IMAGE: Final = "nvcr.io/nvidia/tensorflow:25.02-tf2-py3"
_SCRIPTS_DIRECTORY: Final = "/etc/servestack"
_BUCKET_DIRECTORY: Final = "/bucket"
_WORK_DIRECTORY: Final = "/work"
# TensorRT tries many ways to run each layer; with large models that takes hours.
_DEADLINE_SECONDS: Final = 4 * 3600
_LEAST_MEMORY_BYTES: Final = bytes_of("8Gi")
_TRIES: Final = 2

Precision = Literal["fp32", "fp16"]


@dataclass(frozen=True, kw_only=True)
class ConversionArgs:
    """One conversion: of which version, to which number, on which GPUs, by which images."""

    stack: str
    namespace: str
    of: Manifest
    to: int
    source: ModelSource
    pool: GpuPool
    publisher_image: str
    precision: Precision = "fp16"
    convert_image: str = CONVERT_IMAGE
    service_account_annotations: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)


class Conversion(pulumi.ComponentResource):
    """A version for TensorRT; `version` is its number, known once it is published."""

    version: pulumi.Output[int]

    def __init__(
        self, name: str, args: ConversionArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        labels = {**model_labels(args.stack, args.of.model), COMPONENT: "conversion"}
        account = ServiceAccount(
            name,
            metadata=ObjectMetaArgs(
                name=publisher_account_name(args.of.model),
                namespace=args.namespace,
                labels=labels,
                annotations=args.service_account_annotations or None,
            ),
            automount_service_account_token=False,
            opts=child,
        )
        files = script_files(args)
        config_map = content_name(args.of.model, content=repr(sorted(files.items())))
        config = ConfigMap(
            name,
            metadata=ObjectMetaArgs(name=config_map, namespace=args.namespace, labels=labels),
            data=files,
            immutable=True,
            opts=child,
        )
        policy = NetworkPolicy(
            name,
            metadata=ObjectMetaArgs(
                name=publisher_account_name(args.of.model), namespace=args.namespace, labels=labels
            ),
            spec=NetworkPolicySpecArgs(
                pod_selector=LabelSelectorArgs(
                    match_labels={COMPONENT: "conversion", INSTANCE: args.of.model}
                ),
                policy_types=["Ingress", "Egress"],
                ingress=[],
                egress=bucket_egress(args.source),
            ),
            opts=child,
        )
        specification = job(args, config_map=config_map, labels=labels)
        # A Job cannot be changed: another specification is another Job.
        digest = specification_digest(specification)
        made = batch.v1.Job(
            name,
            metadata=ObjectMetaArgs(
                name=content_name(f"{args.of.model}-tensorrt", content=digest),
                namespace=args.namespace,
                labels=labels,
                annotations={"pulumi.com/timeoutSeconds": str(_DEADLINE_SECONDS)},
            ),
            spec=specification,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[account, config, policy]),
        )
        self.version = made.id.apply(lambda _: args.to)
        self.register_outputs({"version": self.version})


def script_files(args: ConversionArgs) -> Mapping[str, str]:
    """Give the programs, and the digests that the version is compared with."""
    return {
        "fetch.sh": scripts.FETCH,
        "convert.py": scripts.CONVERT,
        "publish.sh": scripts.PUBLISH,
        DIGESTS_FILE: digests(args.of),
    }


def job(
    args: ConversionArgs, *, config_map: str, labels: Mapping[str, str]
) -> "batch.v1.JobSpecArgs":
    """Give the Job: fetch, convert, publish, one after the other in one pod."""
    return batch.v1.JobSpecArgs(
        backoff_limit=_TRIES - 1,
        active_deadline_seconds=_DEADLINE_SECONDS,
        template=PodTemplateSpecArgs(
            metadata=ObjectMetaArgs(labels=labels),
            spec=PodSpecArgs(
                restart_policy="Never",
                service_account_name=publisher_account_name(args.of.model),
                automount_service_account_token=False,
                enable_service_links=False,
                security_context=pod_security(),
                init_containers=[
                    _container(args, "fetch", FETCH_IMAGE, ["/bin/sh", "fetch.sh"]),
                    _container(
                        args, "convert", args.convert_image, ["python3", "convert.py"], gpus=1
                    ),
                ],
                containers=[
                    _container(args, "publish", args.publisher_image, ["/bin/sh", "publish.sh"])
                ],
                volumes=_volumes(args, config_map),
                node_selector=dict(args.pool.node_labels),
                tolerations=tolerations(args.pool),
            ),
        ),
    )


def _container(
    args: ConversionArgs, name: str, image: str, command: list[str], *, gpus: int = 0
) -> ContainerArgs:
    *interpreter, script = command
    memory = max(_LEAST_MEMORY_BYTES, 4 * args.of.size_bytes) if gpus else bytes_of("2Gi")
    quantities = {"cpu": "2" if gpus else "1", "memory": whole_mib(memory)}
    limits = quantities | ({NVIDIA_GPU: str(gpus)} if gpus else {})
    return ContainerArgs(
        name=name,
        image=image,
        command=[*interpreter, f"{_SCRIPTS_DIRECTORY}/{script}"],
        env=_environment(args),
        resources=ResourceRequirementsArgs(requests=limits, limits=limits),
        security_context=container_security(),
        termination_message_policy="FallbackToLogsOnError",
        volume_mounts=[
            VolumeMountArgs(name="scripts", mount_path=_SCRIPTS_DIRECTORY, read_only=True),
            VolumeMountArgs(name="work", mount_path=_WORK_DIRECTORY),
            VolumeMountArgs(name="tmp", mount_path="/tmp"),  # noqa: S108 - an emptyDir
            *_bucket_mount(args.source),
        ],
    )


def _environment(args: ConversionArgs) -> list[EnvVarArgs]:
    variables = {
        "MODEL": args.of.model,
        "OF": str(args.of.version),
        "TO": str(args.to),
        "PRECISION": args.precision,
        "DIGESTS": f"{_SCRIPTS_DIRECTORY}/{DIGESTS_FILE}",
        "HOME": "/tmp",  # noqa: S108 - an emptyDir
        **_places(args.source),
    }
    plain = [EnvVarArgs(name=name, value=value) for name, value in sorted(variables.items())]
    secret = args.source.secret if isinstance(args.source, FetchFromS3) else None
    return [*plain, *secret_keys(secret)]


def _places(source: ModelSource) -> Mapping[str, str]:
    """Name the bucket as rclone writes it, and as model-export does."""
    match source:
        case MountedClaim():
            return {"BUCKET": _BUCKET_DIRECTORY, "STORE": _BUCKET_DIRECTORY}
        case ReadFromGcs(url=url):
            return {
                "BUCKET": f":gcs:{_path(url)}",
                "STORE": url,
                "RCLONE_GCS_ENV_AUTH": "true",
                "RCLONE_GCS_BUCKET_POLICY_ONLY": "true",
            }
        case FetchFromS3(url=url, endpoint=endpoint, region=region):
            own = {"AWS_ENDPOINT_URL_S3": endpoint} if endpoint else {}
            own |= {"AWS_REGION": region} if region else {}
            return {
                "BUCKET": f":s3:{_path(url)}",
                "STORE": url,
                **own,
                **store_environment(source),
            }


def _path(url: str) -> str:
    place = urlsplit(url)
    return f"{place.netloc}{place.path.rstrip('/')}"


def _bucket_mount(source: ModelSource) -> list[VolumeMountArgs]:
    if not isinstance(source, MountedClaim):
        return []
    return [
        VolumeMountArgs(
            name="bucket", mount_path=_BUCKET_DIRECTORY, sub_path=source.sub_path or None
        )
    ]


def _volumes(args: ConversionArgs, config_map: str) -> list[VolumeArgs]:
    # What came, what it became, and TensorRT's engines beside it.
    size = whole_mib(6 * args.of.size_bytes + bytes_of("1Gi"))
    volumes = [
        VolumeArgs(name="scripts", config_map=ConfigMapVolumeSourceArgs(name=config_map)),
        VolumeArgs(name="work", empty_dir=EmptyDirVolumeSourceArgs(size_limit=size)),
        VolumeArgs(name="tmp", empty_dir=EmptyDirVolumeSourceArgs(size_limit="4Gi")),
    ]
    if isinstance(args.source, MountedClaim):
        claim = PersistentVolumeClaimVolumeSourceArgs(claim_name=args.source.claim)
        volumes.append(VolumeArgs(name="bucket", persistent_volume_claim=claim))
    return volumes
