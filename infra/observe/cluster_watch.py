"""Dashboard and alerts of a stack's models in a cluster: what Grafana and Prometheus there take.

Neither of the two is installed here. Grafana's own chart brings a sidecar that takes dashboards
from ConfigMaps; alerts are the Prometheus operator's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core.v1 import ConfigMap
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.names import stack_object_name
from infra.observe.charts import Limits
from infra.observe.cluster_metrics import ClusterModel, watched_in_cluster
from infra.observe.grafana import LABEL, WINDOW, grafana_dashboard
from infra.observe.prometheus_rules import API, KIND, rule_groups
from infra.serving.tf_serving.marks import COMPONENT, MANAGED_BY, MANAGER, PART_OF, stack_label

COMPONENT_TYPE: Final = "servestack:observe:ClusterWatch"
_UID_CHARACTERS: Final = 40


@dataclass(frozen=True, kw_only=True)
class ClusterWatchArgs:
    """Which models, whether there is a dashboard, and from where on somebody is told."""

    stack: str
    namespace: str
    models: Sequence[ClusterModel]
    dashboard: bool = False
    limits: Limits | None = None
    # What must be up before it may ring that it is not.
    after: Sequence[pulumi.Resource] = ()


class ClusterWatch(pulumi.ComponentResource):
    """`dashboard` is where Grafana shows it, below its own address."""

    dashboard: str | None

    def __init__(
        self, name: str, args: ClusterWatchArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        watched = [
            watched_in_cluster(model, window=WINDOW, limits=args.limits) for model in args.models
        ]
        self.dashboard = None
        if args.dashboard:
            uid = stack_object_name(args.stack, "models", limit=_UID_CHARACTERS)
            object_name = stack_object_name(args.stack, "dashboard")
            ConfigMap(
                f"{name}-dashboard",
                metadata=_metadata(args, object_name, dict([LABEL])),
                data={
                    # The sidecar lays the files of all ConfigMaps into one directory.
                    f"{object_name}.json": grafana_dashboard(
                        title=f"Models of {args.stack}", uid=uid, models=watched
                    )
                },
                opts=child,
            )
            self.dashboard = f"/d/{uid}"
        if args.limits is not None and watched:
            CustomResource(
                f"{name}-alerts",
                api_version=API,
                kind=KIND,
                metadata=_metadata(args, stack_object_name(args.stack, "alerts"), {}),
                spec=rule_groups(stack=args.stack, models=watched),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[*args.after]),
            )
        self.register_outputs({"dashboard": self.dashboard})


def _metadata(args: ClusterWatchArgs, name: str, labels: dict[str, str]) -> ObjectMetaArgs:
    return ObjectMetaArgs(
        name=name,
        namespace=args.namespace,
        labels={
            COMPONENT: "observation",
            PART_OF: stack_label(args.stack),
            MANAGED_BY: MANAGER,
            **labels,
        },
    )
