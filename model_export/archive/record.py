"""What is known of a version's archive: the document beside it, written after it. Pure."""

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, with_config

from model_export.errors import ModelExportError
from model_export.layout import MAX_VERSION

_SHA256: Final = r"[0-9a-f]{64}$"


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, kw_only=True)
class ArchiveRecord:
    """One archive; `content` is the digest of the manifest whose files are in it."""

    schema: Literal[1] = 1
    model: str
    version: Annotated[int, Field(ge=1, le=MAX_VERSION)]
    content: Annotated[str, StringConstraints(pattern=f"^sha256:{_SHA256}")]
    size_bytes: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, StringConstraints(pattern=f"^{_SHA256}")]


_DOCUMENT: Final = TypeAdapter(ArchiveRecord)


def dump_record(record: ArchiveRecord) -> bytes:
    """Write the document."""
    return (json.dumps(asdict(record), indent=2, sort_keys=True) + "\n").encode()


def parse_record(document: bytes, where: str) -> ArchiveRecord:
    """Read the document; `where` names it in the error."""
    try:
        return _DOCUMENT.validate_json(document)
    except ValidationError as error:
        raise ModelExportError(
            f"{where} is not a record of an archive that this version of servestack can read. Make "
            "the archive anew: model-export archive --replace"
        ) from error
