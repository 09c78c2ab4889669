"""What the exporter leaves beside a SavedModel for the one who publishes it.

The file `assets.extra/export.json` travels with the model. `export_model` writes it; for a model
that came another way a person may write it by hand: every key may be left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from model_export.errors import RefusedError
from model_export.manifest import Sample

EXPORT_RECORD_PATH: Final = "assets.extra/export.json"


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, kw_only=True)
class ExportRecord:
    """What only the exporter knows."""

    keras_version: str | None = None
    sample: Sample | None = None
    # What the manifest shall tell; a label that the publisher gives goes before.
    labels: Mapping[str, str] = field(default_factory=dict)


_DOCUMENT: Final = TypeAdapter(ExportRecord)


def dump_export_record(record: ExportRecord) -> bytes:
    """Write the document."""
    return _DOCUMENT.dump_json(record) + b"\n"


def parse_export_record(document: bytes, where: str) -> ExportRecord:
    """Read the document; `where` names it in the error."""
    try:
        return _DOCUMENT.validate_json(document)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'the document'}: {fault['msg']}"
            for fault in error.errors(include_url=False)
        )
        raise RefusedError(
            f"{where} cannot be used: {faults}. It is written as "
            '{"sample": {"signature_name": …, "instances": […], "predictions": […]}}.'
        ) from error
