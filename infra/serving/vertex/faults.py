"""What went wrong at Vertex AI, in words that say what to do. Loads Google's client's errors only.

The kind of an error is its status code and the reason that Google attaches, never its wording.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from infra.errors import ServestackError
from infra.serving.vertex.specs import Owner, Place

if TYPE_CHECKING:
    from google.api_core.exceptions import GoogleAPICallError

_SERVICE: Final = "aiplatform.googleapis.com"
# By Google's own names for what its ErrorInfo says.
_NOT_ENABLED: Final = "SERVICE_DISABLED"
_NO_SUCH_PROJECT: Final = frozenset({"CONSUMER_INVALID", "RESOURCE_PROJECT_INVALID"})
_TOO_MANY_REQUESTS: Final = "RATE_LIMIT_EXCEEDED"
# The state was not what the request was decided on: look again and decide anew.
_MOVED_ON: Final = frozenset({"ABORTED", "ALREADY_EXISTS", "FAILED_PRECONDITION"})
# Whether it was done is not known.
_UNKNOWN: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"})


class VertexError(ServestackError):
    """Vertex AI did not do what was asked."""


class ChangedError(VertexError):
    """Something changed meanwhile, or the answer was lost: worth another look."""


class MissingError(VertexError):
    """What was asked for is not there."""


@dataclass(frozen=True, kw_only=True)
class Doing:
    """What was being done, where and for which model: what a message starts with."""

    what: str
    place: Place
    owner: Owner

    def __str__(self) -> str:
        return f"{self.owner.model}: {self.what}"


@contextmanager
def told(doing: Doing) -> Iterator[None]:
    """Tell what the client raises in one line."""
    from infra.serving.vertex.library import api_errors, auth_errors  # noqa: PLC0415 slow

    try:
        yield
    except auth_errors.GoogleAuthError as error:
        raise no_credentials(doing.owner.model, error) from error
    except api_errors.RetryError as error:
        # Asked for two minutes already: another look would take as long, and find as little.
        key = ", that servestack:gcp.vertex_host is right" if doing.place.api_host else ""
        raise VertexError(
            f"{doing}: {doing.place.host} does not answer: {error.cause}. See that the network "
            f"leads there{key}, and run it again."
        ) from error
    except api_errors.GoogleAPICallError as error:
        raise _explained(error, doing) from error


def no_credentials(model: str, error: Exception) -> VertexError:
    """Say how to become somebody."""
    return VertexError(
        f"{model}: there are no Google credentials that work ({_line(error)}). Run `gcloud auth "
        "application-default login`, or run where a service account is attached."
    )


def failed(code: int, message: str, doing: Doing) -> VertexError:
    """Tell why an operation that was accepted did not succeed."""
    from infra.serving.vertex.library import api_errors  # noqa: PLC0415 slow

    from_status: Any = api_errors.from_grpc_status
    # It was accepted and has ended: looking again would only do it again.
    return VertexError(str(_explained(from_status(code, message), doing)))


def _explained(error: "GoogleAPICallError", doing: Doing) -> VertexError:
    code = error.grpc_status_code.name if error.grpc_status_code else "UNKNOWN"
    said = _line(error.message)
    if error.reason == _TOO_MANY_REQUESTS or code in _MOVED_ON | _UNKNOWN:
        return ChangedError(f"{doing}: {said} ({code})")
    if code == "NOT_FOUND":
        return MissingError(f"{doing}: {said}")
    return VertexError(f"{doing}: {_refusal(error, code, said, doing)}")


def _refusal(error: "GoogleAPICallError", code: str, said: str, doing: Doing) -> str:
    project = doing.place.project
    if error.reason == _NOT_ENABLED:
        return (
            f"the Vertex AI API is not enabled in project {project}. Run: "
            f"gcloud services enable {_SERVICE} --project {project}"
        )
    if error.reason in _NO_SUCH_PROJECT:
        return (
            f"there is no project {project}, or you may not see it. Write another one as "
            "servestack:gcp.project, or log in as somebody who may."
        )
    if code == "RESOURCE_EXHAUSTED":
        return (
            f"the quota of project {project} in {doing.place.region} does not allow it: {said} "
            f"Ask for more at https://console.cloud.google.com/iam-admin/quotas?project={project}, "
            f"or write fewer replicas or another machine below {doing.owner.key}."
        )
    if code == "PERMISSION_DENIED":
        return f"{said} {_who_may(error, doing)}"
    return f"Vertex AI refuses it: {said} ({code})"


def _who_may(error: "GoogleAPICallError", doing: Doing) -> str:
    metadata: Any = error.metadata or {}
    permission = metadata.get("permission")
    wanted = f"It takes the permission {permission}" if permission else "It takes a permission"
    return (
        f"{wanted}, which roles/aiplatform.user on project {doing.place.project} has, and "
        "roles/iam.serviceAccountUser on the service account that the model runs as."
    )


def _line(error: object) -> str:
    text = " ".join(str(error).split())
    return text if text.endswith((".", "!", "?")) else f"{text}."
