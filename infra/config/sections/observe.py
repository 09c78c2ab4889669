"""Who sees how the models fare, and who is told when they do not. Pure data, checked by field."""

from pydantic import Field

from infra.config.cloud_values import Emails
from infra.config.release_values import ErrorPercent, WindowMinutes
from infra.config.sections.section import Section
from infra.config.values import Count, YesNo


class AlertsConfig(Section):
    """What rings for each model: failures, slow answers, and that no replica runs."""

    emails: Emails = Field(
        default=(), description="Whom the platform mails. Absent: nobody; it only shows."
    )
    error_percent: ErrorPercent = Field(
        default=1.0, description="It rings when a larger share of the requests fails."
    )
    latency_ms: Count | None = Field(
        default=None,
        description="It rings when one answer in a hundred takes longer. Absent: it does not.",
    )
    window_minutes: WindowMinutes = Field(
        default=5, description="Over how long all of it is measured."
    )


class ObserveConfig(Section):
    """Metrics, shown and watched where the platform does both."""

    dashboard: YesNo = Field(default=False, description="Make a dashboard of all models.")
    alerts: AlertsConfig | None = Field(
        default=None,
        description="Tell of errors, slow answers and absent replicas. Absent: nothing rings.",
    )

    @property
    def is_wanted(self) -> bool:
        """Tell whether anybody reads the metrics."""
        return self.dashboard or self.alerts is not None
