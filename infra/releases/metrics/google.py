"""Google's own metrics: the managed Prometheus of a cluster, and Cloud Monitoring for Vertex AI.

Both answer Prometheus's queries at one address of a project. Credentials are Google's default chain
and nothing else; the client's library is imported when it is asked for.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from infra.releases.metrics.source import MetricsUnreachableError, Series

_SCOPE: Final = "https://www.googleapis.com/auth/monitoring.read"
_VERTEX: Final = "aiplatform_googleapis_com:prediction_online"


def monitoring_address(project: str) -> str:
    """Give the address below which Prometheus's API is."""
    return f"https://monitoring.googleapis.com/v1/projects/{project}/location/global/prometheus"


def google_headers() -> Callable[[], Mapping[str, str]]:
    """Give what authorizes a request; the token is renewed when it has to be."""
    credentials: list[Any] = []

    def headers() -> Mapping[str, str]:
        try:
            from google.auth import default  # noqa: PLC0415 - see the module's docstring
            from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - likewise
            from google.auth.transport.requests import Request  # noqa: PLC0415 - likewise
        except ImportError as error:
            raise MetricsUnreachableError(
                "google-auth is not installed; pip install 'servestack[gcp]'"
            ) from error
        try:
            if not credentials:
                credentials.append(default(scopes=[_SCOPE])[0])
            if not credentials[0].valid:
                credentials[0].refresh(Request())
        except GoogleAuthError as error:
            raise MetricsUnreachableError(f"Google gives no credentials: {error}") from error
        return {"Authorization": f"Bearer {credentials[0].token}"}

    return headers


def vertex_series(endpoint: str, deployed_model: str) -> Series:
    """Name what Cloud Monitoring counts of one deployed model of an endpoint."""
    labels = f'endpoint_id="{endpoint}",deployed_model_id="{deployed_model}"'
    return Series(
        requests=f"{_VERTEX}_response_count{{{labels}}}",
        failed=f'{_VERTEX}_response_count{{{labels},response_code!~"2.."}}',
        latency=f"{_VERTEX}_prediction_latencies_bucket{{{labels}}}",
        per_ms=1.0,
    )
