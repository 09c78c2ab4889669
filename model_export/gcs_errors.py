"""What Google's errors mean for whoever asked a bucket for something."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Literal

import requests
from google.auth import exceptions as auth

from model_export.bucket import ObjectExistsError, ObjectMissingError, not_a_store
from model_export.errors import BucketMissingError, ModelExportError

with warnings.catch_warnings():
    # It announces the end of each Python version to whoever runs a program.
    warnings.simplefilter("ignore", FutureWarning)
    from google.api_core import exceptions as api

# What the client lets through when a connection fails, beside its own error for "too often".
_PASSING: Final = (
    api.TooManyRequests,
    api.ServerError,
    requests.ConnectionError,
    requests.Timeout,
    ConnectionError,
)


@contextmanager
def explained(bucket: str, place: str, missing: Literal["bucket", "object"]) -> Iterator[None]:
    """Say what went wrong with a place in a bucket; "not found" is of one or the other."""
    try:
        yield
    except api.PreconditionFailed as error:
        raise ObjectExistsError(f"{place} exists already.") from error
    except api.NotFound as error:
        if missing == "object":
            raise ObjectMissingError(f"There is no {place}.") from error
        raise BucketMissingError(
            f"There is no bucket gs://{bucket}. Make it first, or correct the store's URL."
        ) from error
    except (api.Unauthorized, auth.RefreshError) as error:
        raise ModelExportError(
            f"{place}: Google does not accept the credentials (expired or revoked): "
            f"{_first_line(error)}. Run `gcloud auth application-default login` again."
        ) from error
    except api.Forbidden as error:
        raise ModelExportError(
            f"{place}: not permitted: {_first_line(error)}. Reading needs the role "
            f"roles/storage.objectViewer on gs://{bucket}, publishing "
            "roles/storage.objectUser. If the bucket is somebody else's, name another."
        ) from error
    except (api.RetryError, *_PASSING) as error:
        cause = error.cause if isinstance(error, api.RetryError) else error
        raise ModelExportError(
            f"{place}: the store does not answer, repeated attempts included: "
            f"{_first_line(cause)}. Run the same command again; it goes on where it stopped."
        ) from error
    except requests.exceptions.JSONDecodeError as error:
        raise not_a_store(place) from error
    except (
        api.GoogleAPICallError,
        auth.GoogleAuthError,
        requests.RequestException,
    ) as error:
        raise ModelExportError(f"{place}: {_first_line(error)}.") from error


def _first_line(error: BaseException | None) -> str:
    text = getattr(error, "message", "") or str(error) or type(error).__name__
    with suppress(AttributeError, KeyError, TypeError, ValueError):
        # What the service itself says, without the client's address and words around it.
        response: Any = getattr(error, "response", None)
        text = response.json()["error"]["message"]
    return " ".join(text.split()).rstrip(".")
