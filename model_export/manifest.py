"""What a published version is: its files, signatures and origin, as written last into the bucket.

Pure: knows the document, not where it lies. Pydantic checks a document once, when it is read;
inside the code a manifest is a frozen dataclass.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    ConfigDict,
    Field,
    FiniteFloat,
    JsonValue,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    with_config,
)

from model_export.errors import ModelExportError
from model_export.layout import MAX_VERSION, MODEL_NAME_RULE, is_model_name

SCHEMA: Final = 1


def _inside(path: str) -> str:
    """Refuse a path that could lead out of the version's directory."""
    parts = path.split("/")
    if "\\" in path or any(part in {"", ".", ".."} for part in parts):
        raise ValueError("this is no path inside a version")
    return path


def _allowed(name: str) -> str:
    if not is_model_name(name):
        raise ValueError(f"a model's name is {MODEL_NAME_RULE}")
    return name


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """One file of a version, its path relative to the version's directory, with '/' inside."""

    path: Annotated[str, AfterValidator(_inside)]
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """A signature's input or output: TensorFlow's dtype name; None for what is not fixed."""

    dtype: str
    shape: tuple[int | None, ...] | None


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, kw_only=True)
class Signature:
    """One callable door of the model."""

    method_name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, kw_only=True)
class Sample:
    """Instances a client may send as they are (REST row form) and what the model answered then."""

    signature_name: str
    instances: tuple[JsonValue, ...]
    predictions: tuple[JsonValue, ...]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All that is known of one immutable version."""

    schema: Literal[1] = SCHEMA
    model: Annotated[str, AfterValidator(_allowed)]
    version: Annotated[int, Field(ge=1, le=MAX_VERSION)]
    files: tuple[FileEntry, ...]
    signatures: Mapping[str, Signature]
    tensorflow_version: str
    created_at: AwareDatetime
    created_by: str
    keras_version: str | None = None
    git_commit: str | None = None
    git_dirty: bool | None = None
    parent: Annotated[int, Field(ge=1, le=MAX_VERSION)] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, FiniteFloat] = field(default_factory=dict)
    sample: Sample | None = None

    @property
    def digest(self) -> str:
        """Identify the content: equal for equal files, whatever the version is called."""
        lines = sorted(f"{entry.sha256}  {entry.path}\n" for entry in self.files)
        return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def size_bytes(self) -> int:
        """Add up the sizes of all files."""
        return sum(entry.size_bytes for entry in self.files)


_DOCUMENT: Final = TypeAdapter(Manifest)


def dump_manifest(manifest: Manifest) -> bytes:
    """Write the document: sorted and indented, so that a person and a diff can read it."""
    plain = _DOCUMENT.dump_python(manifest, mode="json")
    text = json.dumps(plain, indent=2, sort_keys=True)
    # A list of numbers stays on one line: a sample image would take hundreds. Inside a JSON
    # string there is no bare line break, so no text is touched.
    text = re.sub(r"\[\n[^\[\]{}\"]*\]", lambda found: " ".join(found[0].split()), text)
    return (text + "\n").encode()


def parse_manifest(document: bytes, where: str) -> Manifest:
    """Read the document; `where` names it in the error."""
    try:
        return _DOCUMENT.validate_json(document)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'the document'}: {fault['msg']}"
            for fault in error.errors(include_url=False)
        )
        raise ModelExportError(
            f"{where} is not a manifest that this version of servestack can read: {faults}. "
            "Publish the model as a new version."
        ) from error
