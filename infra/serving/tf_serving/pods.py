"""The pods of a server: containers, probes, volumes, security. Pure; gives typed arguments.

Passes the restricted Pod Security standard. Whether a server is ready is asked of the very version
that its pod is for, so that a Service never sends a request to a pod that cannot answer it.
"""

from collections.abc import Mapping
from typing import Final

from pulumi_kubernetes.core.v1 import (
    CapabilitiesArgs,
    ConfigMapProjectionArgs,
    ConfigMapVolumeSourceArgs,
    ContainerArgs,
    ContainerPortArgs,
    EmptyDirVolumeSourceArgs,
    EnvVarArgs,
    HTTPGetActionArgs,
    LifecycleArgs,
    LifecycleHandlerArgs,
    LocalObjectReferenceArgs,
    PersistentVolumeClaimVolumeSourceArgs,
    PodSecurityContextArgs,
    PodSpecArgs,
    PodTemplateSpecArgs,
    ProbeArgs,
    ProjectedVolumeSourceArgs,
    ResourceRequirementsArgs,
    SeccompProfileArgs,
    SecurityContextArgs,
    SleepActionArgs,
    TolerationArgs,
    TopologySpreadConstraintArgs,
    VolumeArgs,
    VolumeMountArgs,
    VolumeProjectionArgs,
)
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs

from infra.compute.pools import NVIDIA_GPU, GpuPool
from infra.names import model_object_name, service_account_name
from infra.serving.rendering import METRICS_PATH
from infra.serving.tf_serving import fetching
from infra.serving.tf_serving.args import KubernetesModelArgs
from infra.serving.tf_serving.capacity import start_seconds, whole_mib
from infra.serving.tf_serving.marks import pod_labels, track_selector
from infra.serving.tf_serving.servers import CONFIG_DIRECTORY, GRPC_PORT, REST_PORT, Server
from infra.serving.tf_serving.sources import MODELS_DIRECTORY, FetchFromS3, MountedClaim

FETCH_CONTAINER: Final = "fetch"
# A user that no image has, so that it owns nothing.
_USER: Final = 65532
_PROBE_SECONDS: Final = 2
_READY_SECONDS: Final = 5
_LIVE_SECONDS: Final = 10
_LIVE_FAILURES: Final = 6
_ANSWER_SECONDS: Final = 5
# Requests under way when a server is told to end.
_FINISH_SECONDS: Final = 30
_TMP_SIZE: Final = "256Mi"


def pod_template(
    args: KubernetesModelArgs, server: Server, *, config_map: str
) -> PodTemplateSpecArgs:
    """Give the template of a server's pods."""
    return PodTemplateSpecArgs(
        metadata=ObjectMetaArgs(labels=pod_labels(args, server), annotations=_annotations(args)),
        spec=PodSpecArgs(
            service_account_name=service_account_name(args.model),
            # Cloud identities come by other ways; nothing in the pod asks the API server.
            automount_service_account_token=False,
            # Every Service of the namespace as a variable: with many models, too many to start.
            enable_service_links=False,
            security_context=pod_security(),
            init_containers=_init_containers(args, server),
            containers=[_container(args, server)],
            volumes=_volumes(args, server, config_map),
            termination_grace_period_seconds=args.drain_seconds + _FINISH_SECONDS,
            node_selector=_node_selector(args) or None,
            tolerations=tolerations(args.gpu.pool) if args.gpu else None,
            topology_spread_constraints=_spread(args, server),
            priority_class_name=args.placement.priority_class,
            image_pull_secrets=(
                [LocalObjectReferenceArgs(name=args.image_pull_secret)]
                if args.image_pull_secret
                else None
            ),
        ),
    )


def ready_path(args: KubernetesModelArgs, server: Server) -> str:
    """Give the path that answers only once the version serves that the pod is for.

    A pod whose versions come and go while it runs is for any of them.
    """
    is_for_one = args.strategy == "pod" and server.version is not None
    at = f"/versions/{server.version}" if is_for_one else ""
    return f"/v1/models/{args.model}{at}/metadata"


def live_config_map(args: KubernetesModelArgs) -> str:
    """Name the ConfigMap that changes while a `hot` server runs."""
    return model_object_name(args.model, "live")


def _annotations(args: KubernetesModelArgs) -> Mapping[str, str]:
    if args.scrape != "annotations" or not args.settings.monitoring:
        return {}
    return {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(REST_PORT),
        "prometheus.io/path": METRICS_PATH,
    }


def _container(args: KubernetesModelArgs, server: Server) -> ContainerArgs:
    budget_seconds = start_seconds(server.largest_bytes, on_gpu=args.gpu is not None)
    return ContainerArgs(
        # Metrics of accelerators know containers by name, and nothing above them.
        name=server.name,
        image=args.image,
        # Not the image's entry point, which adds a model name and a base path of its own.
        command=["tensorflow_model_server"],
        args=list(server.rendered.flags),
        env=[
            # Only what matters: the last of it is the reason that a failing pod leaves behind.
            EnvVarArgs(name="TF_CPP_MIN_LOG_LEVEL", value="1"),
        ],
        ports=[
            ContainerPortArgs(name="rest", container_port=REST_PORT, protocol="TCP"),
            ContainerPortArgs(name="grpc", container_port=GRPC_PORT, protocol="TCP"),
        ],
        resources=_resources(args, server),
        security_context=container_security(),
        startup_probe=_probe(
            ready_path(args, server),
            period_seconds=_PROBE_SECONDS,
            failures=max(1, budget_seconds // _PROBE_SECONDS),
        ),
        readiness_probe=_probe(ready_path(args, server), period_seconds=_READY_SECONDS, failures=3),
        # Status answers whatever is loaded, so that only a server that hangs is started again.
        liveness_probe=_probe(
            f"/v1/models/{args.model}", period_seconds=_LIVE_SECONDS, failures=_LIVE_FAILURES
        ),
        # A pod that goes away is still sent requests until every node has heard of it.
        lifecycle=LifecycleArgs(
            pre_stop=LifecycleHandlerArgs(sleep=SleepActionArgs(seconds=args.drain_seconds))
        ),
        termination_message_policy="FallbackToLogsOnError",
        volume_mounts=_mounts(args),
    )


def _probe(path: str, *, period_seconds: int, failures: int) -> ProbeArgs:
    return ProbeArgs(
        http_get=HTTPGetActionArgs(path=path, port="rest", scheme="HTTP"),
        period_seconds=period_seconds,
        timeout_seconds=_ANSWER_SECONDS,
        failure_threshold=failures,
    )


def pod_security() -> PodSecurityContextArgs:
    """Give what the restricted standard asks of a pod."""
    return PodSecurityContextArgs(
        run_as_non_root=True,
        run_as_user=_USER,
        run_as_group=_USER,
        fs_group=_USER,
        fs_group_change_policy="OnRootMismatch",
        seccomp_profile=SeccompProfileArgs(type="RuntimeDefault"),
    )


def container_security() -> SecurityContextArgs:
    """Give what it asks of a container, and a root file system that nobody writes to."""
    return SecurityContextArgs(
        allow_privilege_escalation=False,
        read_only_root_filesystem=True,
        run_as_non_root=True,
        capabilities=CapabilitiesArgs(drop=["ALL"]),
    )


def _resources(args: KubernetesModelArgs, server: Server) -> ResourceRequirementsArgs:
    # Equal requests and limits: a server's threads and batches are made for what it has.
    quantities = {"cpu": args.cpu, "memory": server.memory.limit}
    gpus = {NVIDIA_GPU: str(args.gpu.gpus)} if args.gpu else {}
    return ResourceRequirementsArgs(requests=quantities | gpus, limits=quantities | gpus)


def _init_containers(args: KubernetesModelArgs, server: Server) -> list[ContainerArgs] | None:
    source, published = args.source, server.published
    if not isinstance(source, FetchFromS3) or published is None:
        return None
    variables = fetching.environment(source, published, config_dir=CONFIG_DIRECTORY)
    env = [EnvVarArgs(name=name, value=value) for name, value in sorted(variables.items())]
    env += fetching.secret_keys(source.secret)
    quantities = {"cpu": args.cpu, "memory": "512Mi"}
    return [
        ContainerArgs(
            name=FETCH_CONTAINER,
            image=source.image,
            command=["/bin/sh", f"{CONFIG_DIRECTORY}/{fetching.SCRIPT_FILE}"],
            env=env,
            resources=ResourceRequirementsArgs(requests=quantities, limits=quantities),
            security_context=container_security(),
            termination_message_policy="FallbackToLogsOnError",
            volume_mounts=[
                VolumeMountArgs(name="config", mount_path=CONFIG_DIRECTORY, read_only=True),
                VolumeMountArgs(name="models", mount_path=MODELS_DIRECTORY),
                VolumeMountArgs(name="tmp", mount_path="/tmp"),  # noqa: S108 - an emptyDir
            ],
        )
    ]


def _mounts(args: KubernetesModelArgs) -> list[VolumeMountArgs]:
    mounts = [
        VolumeMountArgs(name="config", mount_path=CONFIG_DIRECTORY, read_only=True),
        VolumeMountArgs(name="tmp", mount_path="/tmp"),  # noqa: S108 - an emptyDir
    ]
    match args.source:
        case MountedClaim(sub_path=sub_path):
            mounts.append(
                VolumeMountArgs(
                    name="models",
                    mount_path=MODELS_DIRECTORY,
                    sub_path=sub_path or None,
                    read_only=True,
                )
            )
        case FetchFromS3():
            mounts.append(
                VolumeMountArgs(name="models", mount_path=MODELS_DIRECTORY, read_only=True)
            )
        case _:
            pass
    return mounts


def _volumes(args: KubernetesModelArgs, server: Server, config_map: str) -> list[VolumeArgs]:
    volumes = [
        _config_volume(args, config_map),
        VolumeArgs(name="tmp", empty_dir=EmptyDirVolumeSourceArgs(size_limit=_TMP_SIZE)),
    ]
    match args.source:
        case MountedClaim(claim=claim):
            volumes.append(
                VolumeArgs(
                    name="models",
                    persistent_volume_claim=PersistentVolumeClaimVolumeSourceArgs(
                        claim_name=claim, read_only=True
                    ),
                )
            )
        case FetchFromS3():
            # A draft beside the finished copy, for a moment, never more than one of each.
            size = 2 * (server.size_bytes or 0) + 64 * 1024**2
            volumes.append(
                VolumeArgs(
                    name="models", empty_dir=EmptyDirVolumeSourceArgs(size_limit=whole_mib(size))
                )
            )
        case _:
            pass
    return volumes


def _config_volume(args: KubernetesModelArgs, config_map: str) -> VolumeArgs:
    if args.strategy != "hot":
        return VolumeArgs(name="config", config_map=ConfigMapVolumeSourceArgs(name=config_map))
    return VolumeArgs(
        name="config",
        projected=ProjectedVolumeSourceArgs(
            sources=[
                VolumeProjectionArgs(config_map=ConfigMapProjectionArgs(name=name))
                for name in (config_map, live_config_map(args))
            ]
        ),
    )


def _node_selector(args: KubernetesModelArgs) -> Mapping[str, str]:
    pool = args.gpu.pool.node_labels if args.gpu else {}
    return {**args.placement.node_labels, **pool}


def tolerations(pool: GpuPool) -> list[TolerationArgs]:
    """Bear the taints of a pool's nodes."""
    return [
        TolerationArgs(
            key=taint.key,
            operator="Exists" if taint.value is None else "Equal",
            value=taint.value,
            effect=taint.effect,
        )
        for taint in pool.tolerations
    ]


def _spread(args: KubernetesModelArgs, server: Server) -> list[TopologySpreadConstraintArgs] | None:
    if args.placement.spread == "none":
        return None
    strict = args.placement.spread == "require"
    return [
        TopologySpreadConstraintArgs(
            max_skew=1,
            topology_key=key,
            when_unsatisfiable="DoNotSchedule" if strict else "ScheduleAnyway",
            label_selector=LabelSelectorArgs(match_labels=track_selector(args, server.track)),
            # Pods of a roll-out are spread among themselves; those that go do not count.
            match_label_keys=["pod-template-hash"],
        )
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]
