"""Who is told on Google Cloud: of what the stack costs, and of how its models fare."""

from collections.abc import Mapping, Sequence
from typing import Final

import pulumi

from infra.config import StackConfig, Target
from infra.gcp_names import budget_topic_name, label_value
from infra.labels import STACK_LABEL
from infra.observe.cluster_metrics import ClusterModel
from infra.observe.gcp_budget import COMPONENT_TYPE as BUDGET_TYPE
from infra.observe.gcp_budget import GcpBudget, GcpBudgetArgs
from infra.observe.gcp_mails import GcpMails, GcpMailsArgs
from infra.observe.vertex_metrics import VertexEndpoint
from infra.platforms.gcp_place import GcpPlace
from infra.platforms.observing import limits_of, models_in_cluster
from infra.platforms.vertex_plan import planned_endpoint

_BUDGET: Final = "budget"
_TITLE_CHARACTERS: Final = 60


def mailed(config: StackConfig) -> tuple[str, ...]:
    """Give every address that somebody in the stack mails to, once."""
    alerts = config.observe.alerts
    return tuple(
        dict.fromkeys(
            (*(config.budget.emails if config.budget else ()), *(alerts.emails if alerts else ()))
        )
    )


def observe(
    place: GcpPlace, namespace: str, *, after: Sequence[pulumi.Resource]
) -> Mapping[str, object]:
    """Declare budget, dashboard and alerts; give the outputs that tell of them.

    Alerts are there `after` the models are.
    """
    channels = _channels(place)
    return {**_budget(place, channels), **_watch(place, namespace, channels, after)}


def _channels(place: GcpPlace) -> Mapping[str, pulumi.Output[str]]:
    emails = mailed(place.stack.config)
    if not emails:
        return {}
    return GcpMails(
        "mails",
        GcpMailsArgs(
            title=_title(place),
            project=place.project,
            emails=emails,
            labels=place.labels,
            was_in=pulumi.create_urn(_BUDGET, BUDGET_TYPE),
        ),
        place.options(),
    ).channels


def _budget(place: GcpPlace, channels: Mapping[str, pulumi.Output[str]]) -> Mapping[str, object]:
    config, stack = place.stack.config, place.stack.name
    budget = config.budget
    if budget is None:
        return {}
    made = GcpBudget(
        _BUDGET,
        GcpBudgetArgs(
            title=_title(place),
            billing_account=str(config.gcp.billing_account),
            project=place.project,
            project_number=place.project_number,
            label=(STACK_LABEL, label_value(stack)),
            monthly=budget.monthly,
            currency=budget.currency,
            thresholds=budget.thresholds,
            forecast_thresholds=budget.forecast_thresholds,
            channels=[channels[email] for email in dict.fromkeys(budget.emails)],
            topic=budget_topic_name(stack) if budget.topic else None,
            labels=place.labels,
        ),
        place.options(),
    )
    return {} if made.topic is None else {"budget_topic": made.topic}


def _watch(
    place: GcpPlace,
    namespace: str,
    channels: Mapping[str, pulumi.Output[str]],
    after: Sequence[pulumi.Resource],
) -> Mapping[str, object]:
    config = place.stack.config
    if not config.observe.is_wanted:
        return {}
    # The SDK for monitoring takes its time to load, and not every stack asks for it.
    from infra.observe.gcp_watch import GcpWatch, GcpWatchArgs  # noqa: PLC0415

    alerts = config.observe.alerts
    on_vertex = [
        VertexEndpoint(
            model=name,
            endpoint_id=planned_endpoint(place.stack.name, name, model),
            has_gpu=model.gpu is not None,
            stays_up=model.version is not None and model.vertex.scale_to_zero_seconds is None,
        )
        for name, model in config.models.items()
        if model.target is Target.VERTEX
    ]
    in_cluster: tuple[ClusterModel, ...] = models_in_cluster(config, namespace)
    made = GcpWatch(
        "watch",
        GcpWatchArgs(
            stack=place.stack.name,
            project=place.project,
            models=sorted([*in_cluster, *on_vertex], key=lambda one: one.model),
            dashboard=config.observe.dashboard,
            limits=limits_of(config),
            channels=[channels[email] for email in dict.fromkeys(alerts.emails)] if alerts else (),
            labels=place.labels,
            after=after,
        ),
        place.options(),
    )
    return {} if made.dashboard is None else {"dashboard": made.dashboard}


def _title(place: GcpPlace) -> str:
    return f"servestack {place.stack.name}"[:_TITLE_CHARACTERS]
