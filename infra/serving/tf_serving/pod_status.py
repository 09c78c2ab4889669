"""What a pod's server says of its versions, asked through the API server.

So no way into the cluster's network is needed; `get` on `pods/proxy` is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from infra.compute.api_server import ApiServer, Object
from infra.serving.tf_serving.servers import REST_PORT


@dataclass(frozen=True, kw_only=True)
class VersionState:
    """One version's state in TF Serving's own words."""

    state: str
    error: str

    @property
    def failed(self) -> bool:
        """Tell a version that gave up from one that is still coming or going."""
        return self.state == "END" and bool(self.error)


class ForbiddenError(Exception):
    """The user may not ask pods; the message says what the API server said."""


def version_states(
    server: ApiServer, pod: Object, model: str, *, label: str | None = None
) -> Mapping[int, VersionState] | None:
    """Ask a pod for the state of its versions, or of a label's; None while it does not say."""
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}:{REST_PORT}/proxy"
    below = f"/labels/{label}" if label else ""
    answer = server.request("GET", f"{path}/v1/models/{model}{below}")
    # The API server's own refusal, not the model server's.
    if answer.status == HTTPStatus.FORBIDDEN and b'"Forbidden"' in answer.body:
        raise ForbiddenError(answer.reason)
    if answer.status != HTTPStatus.OK:
        return None
    try:
        return {
            int(entry["version"]): VersionState(
                state=entry["state"], error=entry["status"]["error_message"]
            )
            for entry in answer.object()["model_version_status"]
        }
    except (ValueError, KeyError):
        return None
