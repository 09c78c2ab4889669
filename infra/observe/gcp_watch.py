"""Dashboard and alerts of a stack's models in Cloud Monitoring, in a cluster and on Vertex AI."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pulumi
import pulumi_gcp as gcp

from infra.observe.charts import Condition, Limits
from infra.observe.cluster_metrics import ClusterModel, watched_in_cluster
from infra.observe.google_dashboard import WINDOW, google_dashboard
from infra.observe.vertex_metrics import VertexEndpoint, watched_on_vertex

COMPONENT_TYPE: Final = "servestack:observe:GcpWatch"
_CONSOLE: Final = "https://console.cloud.google.com/monitoring"
_CLOSED_AFTER: Final = "1800s"


@dataclass(frozen=True, kw_only=True)
class GcpWatchArgs:
    """Which models, whether there is a dashboard, from where on who is told."""

    stack: str
    project: str
    models: Sequence[ClusterModel | VertexEndpoint]
    dashboard: bool = False
    limits: Limits | None = None
    channels: Sequence[pulumi.Input[str]] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    # What must be up before it may ring that it is not.
    after: Sequence[pulumi.Resource] = ()


class GcpWatch(pulumi.ComponentResource):
    """`dashboard` is the address of the dashboard in Google's console."""

    dashboard: pulumi.Output[str] | None

    def __init__(
        self, name: str, args: GcpWatchArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        watched = [
            watched_on_vertex(model, window=WINDOW, limits=args.limits)
            if isinstance(model, VertexEndpoint)
            else watched_in_cluster(model, window=WINDOW, limits=args.limits)
            for model in args.models
        ]
        self.dashboard = None
        if args.dashboard:
            made = gcp.monitoring.Dashboard(
                name,
                gcp.monitoring.DashboardArgs(
                    project=args.project,
                    dashboard_json=google_dashboard(
                        title=f"servestack {args.stack}", models=watched
                    ),
                ),
                pulumi.ResourceOptions(parent=self),
            )
            self.dashboard = made.id.apply(
                lambda id_: (
                    f"{_CONSOLE}/dashboards/builder/{id_.rpartition('/')[2]}?project={args.project}"
                )
            )
        for model in watched:
            for condition in model.conditions:
                gcp.monitoring.AlertPolicy(
                    f"{model.model}-{condition.what}",
                    _policy(args, model.model, condition),
                    pulumi.ResourceOptions(parent=self, depends_on=[*args.after]),
                )
        self.register_outputs({"dashboard": self.dashboard})


def _policy(args: GcpWatchArgs, model: str, condition: Condition) -> gcp.monitoring.AlertPolicyArgs:
    # A condition in Prometheus's language has to be the only one of its policy.
    return gcp.monitoring.AlertPolicyArgs(
        project=args.project,
        display_name=f"servestack {args.stack}: {condition.what} of {model}",
        combiner="OR",
        conditions=[
            gcp.monitoring.AlertPolicyConditionArgs(
                display_name=condition.said,
                condition_prometheus_query_language=(
                    gcp.monitoring.AlertPolicyConditionConditionPrometheusQueryLanguageArgs(
                        query=condition.expression,
                        duration=f"{60 * condition.lasting_minutes}s",
                        evaluation_interval="60s",
                        # There is no metric before there is a request.
                        disable_metric_validation=True,
                    )
                ),
            )
        ],
        documentation=gcp.monitoring.AlertPolicyDocumentationArgs(
            content=f"{condition.said} (stack {args.stack}).", mime_type="text/markdown"
        ),
        alert_strategy=gcp.monitoring.AlertPolicyAlertStrategyArgs(auto_close=_CLOSED_AFTER),
        notification_channels=list(args.channels) or None,
        severity="CRITICAL" if condition.what == "down" else "WARNING",
        user_labels=dict(args.labels),
    )
