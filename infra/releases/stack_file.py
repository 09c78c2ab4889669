"""Editing a stack file: the keys that commands set, and not one byte beside them.

A YAML writer would lay out the whole file anew. So the parser only says where each key and value
stands, and the text between is spliced; what comes out is read back and compared before it is
used. What the keys may hold is the configuration's to check.
"""

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from infra.errors import ServestackError
from infra.releases.errors import OperationFailedError
from infra.releases.model_release import ModelRelease
from infra.releases.yaml_splice import Splice, SpliceError

_CONFIG: Final = "config"
_MODELS: Final = (_CONFIG, "servestack:models")
_PAUSED: Final = "servestack:paused"


class StackFileError(ServestackError):
    """The stack file cannot be edited by us; the message says what to write by hand."""


class EditedMeanwhileError(StackFileError):
    """Somebody else wrote the stack file between our reading and our writing."""


class UnwritableFileError(OperationFailedError):
    """The stack file could not be written, and is as it was."""


def with_releases(
    content: bytes,
    before: Mapping[str, ModelRelease],
    after: Mapping[str, ModelRelease],
    *,
    name: str,
) -> bytes:
    """Give the file's new content; `name` names the file in errors.

    Keys that do not change are not touched, however they are written.
    """
    try:
        text = content.decode()
        expected = _load(text)
        for model, release in after.items():
            old, new = _keys(before[model]), _keys(release)
            for key in new:
                if old[key] == new[key]:
                    continue
                text = Splice(text).put((*_MODELS, model), key, new[key])
                _expect(expected, model, key, new[key])
        if _load(text) == expected:
            return text.encode()
    except (YAMLError, UnicodeDecodeError, SpliceError):
        pass  # told below: the file reads as a configuration, but is not laid out as one
    wanted = "\n".join(
        f"  {model}: {json.dumps({k: v for k, v in _keys(release).items() if v is not None})}"
        for model, release in after.items()
    )
    raise StackFileError(
        f"{name} cannot be edited without changing something else too: its models are tied "
        f"together by anchors, or are not a plain mapping. Write by hand, below {_MODELS[-1]}:\n"
        f"{wanted}"
    )


def with_paused(content: bytes, *, paused: bool, name: str) -> bytes:
    """Give the file's new content with the stack paused, or not; `name` names it in errors."""
    try:
        text = content.decode()
        expected = _load(text)
        if paused or _PAUSED in expected[_CONFIG]:
            text = Splice(text).put((_CONFIG,), _PAUSED, True if paused else None)
        # A copy: an alias would carry the change to its other places, which is what must not pass.
        changed = {key: value for key, value in expected[_CONFIG].items() if key != _PAUSED}
        if paused:
            changed[_PAUSED] = True
        if _load(text) == {**expected, _CONFIG: changed}:
            return text.encode()
    except (YAMLError, UnicodeDecodeError, SpliceError):
        pass  # told below: the file reads as a configuration, but is not laid out as one
    line = f"{_PAUSED}: true" if paused else f"(nothing: remove {_PAUSED})"
    raise StackFileError(
        f"{name} cannot be edited without changing something else too: its configuration is not a "
        f"plain mapping. Write by hand, below {_CONFIG}:\n  {line}"
    )


def write_over(path: Path, *, expected: bytes, content: bytes) -> None:
    """Replace the file in one step, provided that it still is what we read."""
    if path.read_bytes() != expected:
        raise EditedMeanwhileError(
            f"{path.name} was changed by somebody else meanwhile, so it is left as it is."
        )
    try:
        # Where the name is a link, it stays one.
        _replace(path.resolve(), content)
    except OSError as error:
        raise UnwritableFileError(
            f"{path} cannot be written: {error.strerror}. "
            "Make the file and its directory writable, and see that there is room."
        ) from error


def _replace(path: Path, content: bytes) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).chmod(mode)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _keys(release: ModelRelease) -> dict[str, Any]:
    canary = release.canary
    return {
        "version": release.version,
        "canary": {"version": canary.version, "share": canary.share} if canary else None,
        "labels": dict(release.labels) or None,
    }


def _load(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def _expect(document: Any, model: str, key: str, value: Any) -> None:
    models = document["config"]["servestack:models"]
    # A copy: an alias would carry the change to its other places, which is what must not pass.
    changed = dict(models[model] or {})
    changed.pop(key, None)
    if value is not None:
        changed[key] = value
    models[model] = changed
