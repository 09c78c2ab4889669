"""Asking what serves, over its REST protocol: which versions there are, and whether they predict.

Speaks the protocol that every target serves; knows nothing of how a server is run.
"""

import http.client
import json
import math
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final

from model_export.manifest import Sample

AVAILABLE: Final = "AVAILABLE"
_ASK_SECONDS: Final = 5.0
# Another machine, thread count or TensorFlow build rounds differently; another model is far off.
_RELATIVE_TOLERANCE: Final = 1e-3
_ABSOLUTE_TOLERANCE: Final = 1e-4


class NotAnsweringError(Exception):
    """The version does not answer, or not as it did when it was exported."""


def version_states(rest: str, model: str) -> Mapping[int, str]:
    """Give the state of each version in TF Serving's own words; empty when nobody answers."""
    try:
        answer = _ask(f"{rest}/v1/models/{model}")
        return {int(entry["version"]): entry["state"] for entry in answer["model_version_status"]}
    except (NotAnsweringError, KeyError, TypeError, ValueError):
        return {}


def require_prediction(rest: str, model: str, version: int, sample: Sample) -> None:
    """Send the version its recorded instances and compare what comes back."""
    answer = _ask(
        f"{rest}/v1/models/{model}/versions/{version}:predict",
        {"signature_name": sample.signature_name, "instances": list(sample.instances)},
    )
    got = answer.get("predictions") if isinstance(answer, dict) else None
    wanted = list(sample.predictions)
    if not is_close(got, wanted):
        raise NotAnsweringError(
            f"version {version} answers otherwise than when it was exported: {_shown(got)} "
            f"instead of {_shown(wanted)}"
        )


def is_close(got: Any, wanted: Any) -> bool:
    """Compare two JSON values, numbers within what rounding explains."""
    if isinstance(wanted, list | tuple):
        return (
            isinstance(got, list | tuple)
            and len(got) == len(wanted)
            and all(map(is_close, got, wanted))
        )
    if isinstance(wanted, Mapping):
        return (
            isinstance(got, Mapping)
            and got.keys() == wanted.keys()
            and all(is_close(got[key], wanted[key]) for key in wanted)
        )
    if _is_number(wanted) and _is_number(got):
        return (math.isnan(wanted) and math.isnan(got)) or math.isclose(
            got, wanted, rel_tol=_RELATIVE_TOLERANCE, abs_tol=_ABSOLUTE_TOLERANCE
        )
    return type(got) is type(wanted) and bool(got == wanted)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ask(url: str, body: Mapping[str, Any] | None = None) -> Any:
    request = urllib.request.Request(  # noqa: S310 - the address is the stack's own output
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    # A model server is asked directly: a proxy of the user's would not find this machine's.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_ASK_SECONDS) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise NotAnsweringError(
            f"{url} answers {error.code}: {_error_text(error.read())}"
        ) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotAnsweringError(f"{url} does not answer: {error}") from None


def _error_text(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:119]}…"  # noqa: PLR2004 - a line's worth
