"""How S3 is reached, and what its refusals mean for the user.

Owns the client's settings and the translation of its errors; the verbs are `s3_bucket`'s.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http.client import HTTPException
from typing import Any, Final

from botocore import exceptions as boto
from botocore.config import Config
from botocore.parsers import ResponseParserError
from botocore.session import Session
from botocore.utils import parse_timestamp

from model_export.bucket import (
    WORKERS,
    ObjectExistsError,
    ObjectMissingError,
    Patience,
    not_a_store,
)
from model_export.errors import BucketMissingError, ModelExportError, RefusedError
from model_export.s3_put import QuickPuts

_DEFAULT_REGION: Final = "us-east-1"
# Another request is in the way of a conditional one, which S3 asks to repeat.
_CONFLICT: Final = {
    "409",
    "ConditionalRequestConflict",
    "OperationAborted",
    # versitygw's, when it makes a key's folder while another's last object is removed from it.
    "ExistingObjectIsDirectory",
}
# What a body that breaks off raises, however it does.
BROKEN_OFF: Final = (boto.HTTPClientError, boto.IncompleteReadError, HTTPException, OSError)
_TOO_MANY_REQUESTS: Final = 429
_FIRST_PAUSE_SECONDS: Final = 0.2
_GO_ON: Final = "Run the same command again; it goes on where it stopped."
# What an answer of the store means for the user, by its code.
_ANSWERS: Final[tuple[tuple[set[str], type[ModelExportError], str], ...]] = (
    ({"412", "PreconditionFailed"}, ObjectExistsError, "{place} exists already."),
    (
        {"InvalidBucketName", "NoSuchBucket"},
        BucketMissingError,
        "There is no bucket s3://{bucket}. Make it first, or correct the store's URL.",
    ),
    (
        {"404", "NoSuchKey", "NotFound", "NoSuchUpload"},
        ObjectMissingError,
        "There is no {place}.",
    ),
    (
        {
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidAccessKeyId",
            "InvalidToken",
            "SignatureDoesNotMatch",
            "TokenRefreshRequired",
            # What versitygw says of an unknown key.
            "XAdminUserNotFound",
        },
        ModelExportError,
        "{place}: the store does not accept the credentials ({code}: {said}). Renew them.",
    ),
    (
        {"RequestTimeTooSkewed"},
        ModelExportError,
        "{place}: this machine's clock is wrong ({said}). Set it.",
    ),
    (
        {"301", "307", "AuthorizationHeaderMalformed", "PermanentRedirect"},
        RefusedError,
        "s3://{bucket} is in another region. Set AWS_REGION={region}.",
    ),
    (
        {"403", "AccessDenied", "AllAccessDisabled"},
        ModelExportError,
        (
            "{place}: {operation} is not permitted ({said}). Reading lists and gets; publishing "
            "puts and deletes as well. If the bucket is somebody else's, name another."
        ),
    ),
    (
        {"507", "InsufficientStorage", "QuotaExceeded", "XMinioStorageFull"},
        ModelExportError,
        "{place}: the store is full ({code}: {said}). Make room there. " + _GO_ON,
    ),
    (
        {
            *("429", "500", "502", "503", "504"),
            *("InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown"),
            *("Throttling", "TooManyRequests"),
        },
        ModelExportError,
        "{place}: the store is busy or broken, repeated attempts included ({code}: {said}). "
        + _GO_ON,
    ),
)


def connect(environ: Mapping[str, str], patience: Patience) -> tuple[Any, QuickPuts | None]:
    """Make the client that the environment asks for, and the quick way beside it."""
    endpoint = environ.get("S3_ENDPOINT")
    if endpoint and "://" not in endpoint:
        endpoint = f"{'https' if _flag(environ, 'S3_USE_HTTPS') else 'http'}://{endpoint}"
    verifies = _flag(environ, "S3_VERIFY_SSL")
    session = Session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_time)
    region = environ.get("AWS_REGION") or session.get_config_variable("region")
    client = session.create_client(
        "s3",
        region_name=region or (_DEFAULT_REGION if endpoint else None),
        endpoint_url=endpoint,
        verify=None if verifies else False,
        config=Config(
            connect_timeout=patience.connect_seconds,
            read_timeout=patience.answer_seconds,
            max_pool_connections=WORKERS,
            retries={"mode": "standard", "total_max_attempts": patience.attempts},
            # We give a SHA-256 with all that we send; a second checksum would say no more.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={
                "payload_signing_enabled": False,
                **({"addressing_style": "path"} if endpoint else {}),
            },
        ),
    )

    def again_after(response: Any, attempts: int, **_: Any) -> Any:
        """Say how long to wait where a store other than Amazon's is asked too often."""
        busy = response is not None and response[0].status_code == _TOO_MANY_REQUESTS
        return _FIRST_PAUSE_SECONDS * 2**attempts if busy and attempts < patience.attempts else None

    client.meta.events.register("needs-retry.s3", again_after)
    return client, QuickPuts(client, session, patience) if verifies else None


def _time(text: str) -> datetime:
    """Read a time; the client's own way takes longer than all else in a listing."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return parse_timestamp(text)


def _flag(environ: Mapping[str, str], name: str) -> bool:
    text = environ.get(name, "1").strip().lower()
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off", ""}:
        return False
    raise RefusedError(f"{name}={text}: write 1 or 0.")


@contextmanager
def explained(place: str, bucket: str) -> Iterator[None]:
    """Say what S3's errors mean for the user."""
    try:
        yield
    except boto.ClientError as error:
        raise _explanation(error, place, bucket) from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError) as error:
        raise RefusedError(
            f"{place}: no AWS credentials were found. Run `aws configure` or `aws sso login`, or "
            "run where a role is attached."
        ) from error
    except (boto.NoRegionError, boto.ProfileNotFound, boto.ParamValidationError) as error:
        raise RefusedError(f"{place}: {_line(error)}") from error
    except boto.SSLError as error:
        raise ModelExportError(
            f"{place}: no secure connection came about: {_line(error).rstrip('.')}. For a store "
            "that speaks plain HTTP set S3_USE_HTTPS=0, for one with a certificate of its own "
            "S3_VERIFY_SSL=0."
        ) from error
    except (boto.ConnectionError, *BROKEN_OFF) as error:
        raise ModelExportError(
            f"{place}: the store does not answer, repeated attempts included: "
            f"{_line(error).rstrip('.')}. {_GO_ON}"
        ) from error
    except (KeyError, ResponseParserError) as error:
        # An answer lacks what each answer of S3 has.
        raise not_a_store(place) from error
    except (boto.BotoCoreError, ValueError) as error:
        raise ModelExportError(f"{place}: {_line(error)}") from error


def is_conflict(error: boto.ClientError) -> bool:
    """Tell whether the store asks to repeat a conditional request."""
    return _code(error) in _CONFLICT


def _explanation(error: boto.ClientError, place: str, bucket: str) -> ModelExportError:
    code = _code(error)
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    words = {
        "place": place,
        "bucket": bucket,
        "code": code,
        "operation": error.operation_name,
        "region": headers.get("x-amz-bucket-region", "(the bucket's region)"),
        "said": (error.response.get("Error", {}).get("Message") or str(error)).rstrip("."),
    }
    for codes, kind, text in _ANSWERS:
        if code in codes:
            return kind(text.format(**words))
    return ModelExportError("{place}: {operation} failed ({code}: {said}).".format(**words))


def _code(error: boto.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
