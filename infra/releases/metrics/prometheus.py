"""Metrics from a Prometheus, by its HTTP API; Google's managed one and Cloud Monitoring speak it.

Times are Prometheus's own, so that this machine's clock has no part in it.
"""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from infra.config.sections.rollout import GateConfig
from infra.releases.canary.gate import Comparison, Measured
from infra.releases.metrics.source import MetricsUnreachableError, Series

_ASK_SECONDS: Final = 15.0


@dataclass(frozen=True, kw_only=True)
class Prometheus:
    """The versions of one model in a Prometheus.

    `series_of` names a version's metrics, `authorize` gives headers for each request, and
    `trial_seconds` is how long the canary has been there: before that a label may have meant
    another version.
    """

    url: str
    model: str
    gate: GateConfig
    series_of: Callable[[int], Series]
    trial_seconds: Callable[[], float]
    authorize: Callable[[], Mapping[str, str]] = dict

    def compare(self, *, canary: int, stable: int, window_seconds: float) -> Comparison:
        """Ask for both versions over the same window, no longer than the trial."""
        seconds = max(1, round(min(window_seconds, self.trial_seconds())))
        return Comparison(
            canary=self._measured(canary, seconds),
            stable=self._measured(stable, seconds),
            covered_seconds=seconds,
        )

    def _measured(self, version: int, seconds: int) -> Measured:
        series = self.series_of(version)
        window = f"[{seconds}s]"
        fraction = self.gate.latency_percentile / 100
        latency = self._number(
            f"histogram_quantile({fraction:g}, sum by (le) (rate({series.latency}{window})))"
        )
        return Measured(
            requests=self._number(f"sum(increase({series.requests}{window}))") or 0.0,
            errors=self._number(f"sum(increase({series.failed}{window}))") or 0.0,
            latency_ms=None if latency is None else latency / series.per_ms,
            custom=self._custom(version, seconds),
        )

    def _custom(self, version: int, seconds: int) -> float | None:
        if self.gate.custom is None:
            return None
        query = self.gate.custom.query
        for name, value in (
            ("$model", self.model),
            ("$version", str(version)),
            ("$window", f"{seconds}s"),
        ):
            query = query.replace(name, value)
        return self._number(query)

    def _number(self, query: str) -> float | None:
        """Give the one number of a query; None for no series at all."""
        document = self._ask(query)
        try:
            kind, result = document["data"]["resultType"], document["data"]["result"]
            if kind == "scalar":
                return float(result[1])
            if not result:
                return None
            if len(result) > 1:
                raise MetricsUnreachableError(
                    f"the query gives {len(result)} series where one number is wanted: {query}"
                )
            return float(result[0]["value"][1])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise MetricsUnreachableError(f"{self.url} gives no number for: {query}") from error

    def _ask(self, query: str) -> Any:
        url = f"{self.url.rstrip('/')}/api/v1/query"
        request = urllib.request.Request(  # noqa: S310 - the configuration allows http and https only
            url,
            data=urllib.parse.urlencode({"query": query}).encode(),
            headers={"Accept": "application/json", **self.authorize()},
        )
        try:
            with urllib.request.urlopen(request, timeout=_ASK_SECONDS) as answer:  # noqa: S310 - likewise
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise MetricsUnreachableError(
                f"{url} answers {error.code}: {_reason(error.read())}"
            ) from None
        except (OSError, ValueError) as error:
            raise MetricsUnreachableError(f"{url} does not answer: {error}") from None


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace").strip()
