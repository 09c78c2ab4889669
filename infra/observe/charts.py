"""What is shown and watched of one model, whatever shows it: charts and conditions. Pure data.

Both are made of queries of Prometheus's language, which Grafana, the Prometheus operator and Cloud
Monitoring all speak.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Unit = Literal["requests/s", "%", "ms", "count"]


@dataclass(frozen=True, kw_only=True)
class Query:
    """Some lines of a chart; `legend` names each by its labels: `{{status}}`."""

    expression: str
    legend: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart."""

    title: str
    unit: Unit
    queries: Sequence[Query]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """From where on somebody is told; what is None is not watched."""

    error_percent: float
    latency_ms: int | None
    window_minutes: int


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What rings: for each line that the expression has, and as long as it has it.

    `what` is a constant of ours, `said` a sentence for whoever is woken by it. Where the expression
    does not look back by itself, it has to have a line for so many minutes.
    """

    what: Literal["errors", "latency", "down"]
    expression: str
    said: str
    lasting_minutes: int = 0


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A model with its charts and its conditions."""

    model: str
    charts: Sequence[Chart]
    conditions: Sequence[Condition] = ()


def error_share(failed: str, all_: str, *, by: str, window: str) -> str:
    """Give the percentage of requests that failed; nothing where there was none."""
    total = f"sum by ({by}) (rate({all_}[{window}]))"
    # A status that never was has no line; where all went well it is to be nought, not unknown.
    return f"100 * (sum by ({by}) (rate({failed}[{window}])) or 0 * {total}) / {total}"


def quantile(fraction: float, buckets: str, *, by: str, window: str) -> str:
    """Give a quantile of a histogram, in the unit of its buckets."""
    return f"histogram_quantile({fraction:g}, sum by (le, {by}) (rate({buckets}[{window}])))"


def conditions(
    model: str, limits: Limits, *, errors: str, latency: str, replicas: str | None
) -> Iterator[Condition]:
    """Give what rings: by the model's share of errors, its slowest answers in ms, its replicas.

    `replicas` is None where there need not be any.
    """
    yield Condition(
        what="errors",
        expression=f"{errors} > {limits.error_percent:g}",
        said=said_of_errors(model, limits),
    )
    if limits.latency_ms is not None:
        yield Condition(
            what="latency",
            expression=f"{latency} > {limits.latency_ms}",
            said=said_of_latency(model, limits),
        )
    if replicas is not None:
        yield Condition(
            what="down",
            # What is measured of nothing has no line; it is to be nought, not unknown.
            expression=f"(sum({replicas}) or vector(0)) < 1",
            said=said_of_down(model, limits),
            # Not by a window: where nobody has looked yet, nothing has been missing.
            lasting_minutes=limits.window_minutes,
        )


def said_of_errors(model: str, limits: Limits) -> str:
    """Say when the share of errors rings."""
    return (
        f"More than {limits.error_percent:g} % of the requests to {model} failed in the last "
        f"{limits.window_minutes} minutes"
    )


def said_of_latency(model: str, limits: Limits) -> str:
    """Say when latency rings."""
    return (
        f"One answer of {model} in a hundred took more than {limits.latency_ms} ms in the last "
        f"{limits.window_minutes} minutes"
    )


def said_of_down(model: str, limits: Limits) -> str:
    """Say when it rings that nothing is there to be asked."""
    return f"No replica of {model} was seen to run in the last {limits.window_minutes} minutes"
