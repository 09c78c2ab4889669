"""What dashboards and alerts ask of the models that they are about. Pure."""

from collections.abc import Iterator
from typing import Final

from infra.config.kubernetes_values import Scrape
from infra.config.model import ModelConfig, StackConfig
from infra.config.problems import Finding
from infra.config.values import Platform, Target

# A dashboard of Cloud Monitoring has 100 tiles, and a model at most 8 of them.
_MOST_ON_GOOGLES: Final = 12


def observe_findings(stack: StackConfig) -> Iterator[Finding]:
    """Give every rule that dashboards and alerts break."""
    if not stack.observe.is_wanted:
        return
    if stack.platform is Platform.GCP:
        yield from _on_google(stack)
    if stack.platform is Platform.AWS:
        yield from _on_aws(stack)


def is_watched(model: ModelConfig) -> bool:
    """Tell whether the stack's own alerts are for a model: one on SageMaker may have its own."""
    is_managed = model.target is Target.SAGEMAKER
    return not (is_managed and model.sagemaker is not None and model.sagemaker.alarms is not None)


def _on_google(stack: StackConfig) -> Iterator[Finding]:
    if stack.observe.dashboard and len(stack.models) > _MOST_ON_GOOGLES:
        yield Finding(
            at=("observe", "dashboard"),
            rule=f"a dashboard of Google Cloud has room for {_MOST_ON_GOOGLES} models, and there "
            f"are {len(stack.models)}",
            remedy="Remove the line, or divide the models among stacks",
        )
    for name, model in stack.models.items():
        scrape = model.kubernetes.scrape
        if model.target is Target.KUBERNETES and scrape is not Scrape.POD_MONITORING:
            yield Finding(
                at=("models", name, "kubernetes", "scrape"),
                rule="dashboard and alerts are made from Google's managed Prometheus, which is not "
                f"told of metrics by {scrape}",
                remedy="Remove the line, or remove the section servestack:observe",
            )


def _on_aws(stack: StackConfig) -> Iterator[Finding]:
    alerts = stack.observe.alerts
    mails = any(
        model.target is Target.SAGEMAKER and is_watched(model) for model in stack.models.values()
    )
    if alerts is not None and alerts.emails and not mails:
        yield Finding(
            at=("observe", "alerts", "emails"),
            rule="only alarms of SageMaker are mailed, and no model here has one by this section: "
            "in a cluster it is its Alertmanager that mails, and alarms below "
            "models.NAME.sagemaker.alarms tell their own topic (notify)",
            remedy="Remove the line",
        )
