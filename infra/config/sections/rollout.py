"""How a canary comes to serve everybody, or nobody. Pure data, checked field by field."""

from pydantic import Field

from infra.config.release_values import (
    ErrorPoints,
    LabelName,
    OnPublish,
    OnPublishChoice,
    Percentile,
    Query,
    Ratio,
    Samples,
    Steps,
    WebAddress,
)
from infra.config.sections.section import Section
from infra.config.values import Seconds, YesNo


class CustomGateConfig(Section):
    """A measure of your own, compared between canary and stable."""

    query: Query = Field(
        description="Query of Prometheus that gives one number for a version; `$model`, `$version` "
        "and `$window` are filled in."
    )
    max_ratio: Ratio | None = Field(
        default=None, description="Most that the canary's number may be of the stable one's."
    )
    min_ratio: Ratio | None = Field(
        default=None, description="Least that the canary's number may be of the stable one's."
    )


class GateConfig(Section):
    """What a canary must show beside the stable version, over the same window, to go on."""

    prometheus: WebAddress | None = Field(
        default=None,
        description="Address of the Prometheus that scrapes the servers. Absent: a local server is "
        "asked itself, a cluster on Google Cloud by its managed Prometheus.",
    )
    version_label: LabelName | None = Field(
        default=None,
        description="Label that holds a server's version in that Prometheus. Absent: canary and "
        "stable are told apart by what the model's way of scraping adds.",
    )
    window_seconds: Seconds = Field(default=300, description="How far back it is looked.")
    min_requests: Samples = Field(
        default=100,
        description="Requests that each version must have had in the window. Fewer mean: wait.",
    )
    max_error_points: ErrorPoints = Field(
        default=1.0,
        description="Percentage points by which the canary's error rate may be above the stable "
        "one's.",
    )
    latency_percentile: Percentile = Field(
        default=95, description="The percentile of latency that is compared."
    )
    max_latency_ratio: Ratio = Field(
        default=1.5, description="Most that the canary's latency may be of the stable one's."
    )
    custom: CustomGateConfig | None = Field(default=None, description="A measure of your own.")


class RolloutConfig(Section):
    """How a canary comes to serve everybody, or nobody."""

    steps: Steps = Field(
        default=(10, 50),
        description="Shares that a canary goes through, ascending. After the last one it serves "
        "everybody.",
    )
    pause_seconds: Seconds = Field(
        default=600, description="How long each step lasts, at the least, before the next."
    )
    automatic: YesNo = Field(
        default=False,
        description="Let `servestack canary --follow` take the steps, and abort, by the gate. "
        "Absent: `servestack promote` and `abort` do.",
    )
    gate: GateConfig = Field(
        default=GateConfig(), description="What a canary must show to go on by itself."
    )
    on_publish: OnPublishChoice = Field(
        default=OnPublish.IGNORE,
        description="What `servestack watch` does with a new version in the bucket.",
    )
