"""The Deployment of a server: how many pods, and how new ones take the place of old. Pure."""

from typing import Final

from pulumi_kubernetes.apps.v1 import (
    DeploymentSpecArgs,
    DeploymentStrategyArgs,
    RollingUpdateDeploymentArgs,
)
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs

from infra.serving.tf_serving.args import KubernetesModelArgs, Scaling
from infra.serving.tf_serving.capacity import pod_seconds
from infra.serving.tf_serving.marks import object_labels, track_selector
from infra.serving.tf_serving.pods import live_config_map, pod_template
from infra.serving.tf_serving.resource import LiveSpec, RolloutSpec
from infra.serving.tf_serving.servers import Server

_KEPT_REVISIONS: Final = 2


def deployment(args: KubernetesModelArgs, server: Server, *, config_map: str) -> DeploymentSpecArgs:
    """Give the Deployment; the number of pods is left out where an autoscaler writes it."""
    return DeploymentSpecArgs(
        replicas=fixed_replicas(server),
        selector=LabelSelectorArgs(match_labels=track_selector(args, server.track)),
        template=pod_template(args, server, config_map=config_map),
        strategy=DeploymentStrategyArgs(type="RollingUpdate", rolling_update=_rolling(args)),
        progress_deadline_seconds=rollout_seconds(args, server),
        revision_history_limit=_KEPT_REVISIONS,
    )


def fixed_replicas(server: Server) -> int | None:
    """Give the number of pods, where it is fixed."""
    scaling = server.scaling
    is_fixed = isinstance(scaling, Scaling) and not scaling.is_automatic
    return scaling.min_replicas if is_fixed else None


def rollout_seconds(args: KubernetesModelArgs, server: Server) -> int:
    """Give the time that one new pod may take until it is ready."""
    return pod_seconds(server.largest_bytes, on_gpu=args.gpu is not None)


def rollout_spec(args: KubernetesModelArgs, server: Server, *, digest: str) -> RolloutSpec:
    """Say what is waited for, and for how long at most: pods come one after the other."""
    seconds = rollout_seconds(args, server)
    return RolloutSpec(
        model=args.model,
        version="" if server.version is None else str(server.version),
        namespace=args.namespace,
        deployment=server.name,
        digest=digest,
        timeout_seconds=seconds * max(1, server.scaling.max_replicas),
        live=(
            LiveSpec(
                config_map=live_config_map(args),
                labels=dict(object_labels(args)),
                settings=server.settings,
                step_seconds=seconds,
            )
            if args.strategy == "hot"
            else None
        ),
    )


def gives_way(args: KubernetesModelArgs) -> bool:
    """Tell whether an old pod has to end before a new one finds a GPU."""
    return args.gpu is not None and not args.gpu.surge


def _rolling(args: KubernetesModelArgs) -> RollingUpdateDeploymentArgs:
    if gives_way(args):
        return RollingUpdateDeploymentArgs(max_surge=0, max_unavailable=1)
    # No pod goes before a new one is ready; of a dear kind only one more is made at a time.
    return RollingUpdateDeploymentArgs(max_surge=1 if args.gpu else "25%", max_unavailable=0)
