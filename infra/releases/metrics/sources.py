"""Which source knows a model's metrics: by what serves it, where, and what the gate says."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from infra.config.model import ModelConfig, StackConfig
from infra.config.values import Platform, Target
from infra.errors import ServestackError
from infra.releases.canary.trial import Trial
from infra.releases.metrics.google import google_headers, monitoring_address, vertex_series
from infra.releases.metrics.page import ServerPage
from infra.releases.metrics.prometheus import Prometheus
from infra.releases.metrics.source import MetricSource, Series
from infra.serving.rendering import METRICS_PATH

_MICROS_PER_MS: Final = 1_000.0
# The label that each way of scraping adds from a pod's own `servestack/track`.
_TRACK_LABELS: Final[Mapping[str, str]] = {
    "pod-monitoring": "track",
    "service-monitor": "servestack_track",
}
# Annotations alone: what the usual job for pods makes of the pod's labels.
_VERSION_LABEL: Final = "app_kubernetes_io_version"


def metric_source(
    trial: Trial,
    config: StackConfig,
    output: Mapping[str, Any],
    trial_seconds: Callable[[], float],
) -> MetricSource:
    """Find the source for a trial; a target whose metrics nobody reads is refused."""
    model = config.models[trial.model]
    gate = trial.rollout.gate
    if model.target is Target.LOCAL and gate.prometheus is None:
        url = f"{output['rest']}{METRICS_PATH}"
        return ServerPage(url=url, model=trial.model, percentile=gate.latency_percentile)
    if model.target is Target.SAGEMAKER:
        raise ServestackError(
            f"{trial.model} is served by SageMaker, whose metrics no gate reads yet. Decide by "
            "hand, with `servestack promote` or `servestack abort`."
        )
    is_google = config.platform is Platform.GCP and gate.prometheus is None
    url = gate.prometheus or monitoring_address(config.gcp.project or "")
    return Prometheus(
        url=url,
        model=trial.model,
        gate=gate,
        series_of=lambda version: _series(trial, model, output, version),
        trial_seconds=trial_seconds,
        authorize=google_headers() if is_google else dict,
    )


def _series(trial: Trial, model: ModelConfig, output: Mapping[str, Any], version: int) -> Series:
    match model.target:
        case Target.LOCAL:
            own = f'model_name="{trial.model}",version="{version}"'
            return _tensorflow(":servestack:serving:version_request", own)
        case Target.VERTEX:
            return vertex_series(*_deployed_model(trial, output, version))
        case _:
            return _tensorflow(
                ":tensorflow:serving:request", _pod_labels(trial, model, output, version)
            )


def _tensorflow(start: str, labels: str) -> Series:
    return Series(
        requests=f"{start}_count{{{labels}}}",
        failed=f'{start}_count{{{labels},status!="OK"}}',
        latency=f"{start}_latency_bucket{{{labels}}}",
        per_ms=_MICROS_PER_MS,
    )


def _pod_labels(trial: Trial, model: ModelConfig, output: Mapping[str, Any], version: int) -> str:
    gate = trial.rollout.gate
    labels = {"model_name": trial.model}
    if namespace := output.get("namespace"):
        labels["namespace"] = namespace
    track_label = _TRACK_LABELS.get(str(model.kubernetes.scrape))
    if gate.version_label is None and track_label is not None:
        labels[track_label] = "canary" if version == trial.canary.version else "stable"
    else:
        labels[gate.version_label or _VERSION_LABEL] = str(version)
    return ",".join(f'{key}="{value}"' for key, value in labels.items())


def _deployed_model(trial: Trial, output: Mapping[str, Any], version: int) -> tuple[str, str]:
    try:
        endpoint, deployed = str(output["endpoint"]), output["deployed_models"]
        return endpoint.partition("?")[0].rpartition("/")[2], str(deployed[str(version)])
    except (KeyError, TypeError) as error:
        raise ServestackError(
            f"The stack's outputs do not say which deployed model version {version} of "
            f"{trial.model} is. Bring the stack up to date with `servestack up`."
        ) from error
