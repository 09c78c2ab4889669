"""From a SavedModel directory to a committed, immutable version.

Owns what is checked before anything is sent, and what the manifest says. How a store makes a
version visible at once is the store's.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from model_export.draft import Draft
from model_export.errors import RefusedError
from model_export.export_record import EXPORT_RECORD_PATH, ExportRecord, parse_export_record
from model_export.layout import (
    MAX_VERSION,
    MODEL_NAME_RULE,
    SAVED_MODEL_NAME,
    SIGNATURE_NAME,
    is_model_name,
    version_path,
)
from model_export.manifest import FileEntry, Manifest
from model_export.origin import git_state, publisher
from model_export.savedmodel import SavedModelSummary, parse_saved_model
from model_export.signing import Signer
from model_export.source import SourceFile, changed, list_files, require_unchanged, sha256_of
from model_export.store import Store


@dataclass(frozen=True, kw_only=True)
class Published:
    """A version that now stands in a store."""

    url: str
    manifest: Manifest


def publish(  # noqa: PLR0913 - each is a fact of the version
    directory: Path,
    *,
    model: str,
    store: Store,
    version: int | None = None,
    labels: Mapping[str, str] | None = None,
    metrics: Mapping[str, float] | None = None,
    parent: int | None = None,
    signer: Signer | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Published:
    """Copy a SavedModel into a store as a new version, all of it or nothing.

    Without `version` it gets the next free number. `parent` names the version that it was made
    from; without it the newest of the lower ones counts as that. A `signer` adds a signature of all
    files.
    `advance` is told of each piece of bytes read.
    """
    document, summary = _read_graph(directory)
    record = _read_record(directory, summary)
    labels, metrics = {**record.labels, **(labels or {})}, metrics or {}
    require_names(model, version, labels, metrics)
    if parent is not None and parent not in store.versions(model):
        raise RefusedError(f"Parent {parent}: {model} has no such version in {store.url}.")
    files = list_files(directory)
    graph_entry = FileEntry(
        path=SAVED_MODEL_NAME, size_bytes=len(document), sha256=sha256(document).hexdigest()
    )
    draft = Draft(
        model=model,
        version=version,
        # A signature that came with the files makes room for the new one.
        files=tuple(file for file in files if not signer or file.path != SIGNATURE_NAME),
        labels=labels,
        metrics=metrics,
        signed=f"{signer.name} {graph_entry.sha256}" if signer else "",
    )
    *others, graph = draft.files
    git = git_state()
    with store.begin(draft) as upload:
        entries = upload.send(others, advance)
        # A server that polls takes the graph for "ready": from here on nothing may be wrong.
        require_unchanged(directory, files)
        # The signatures are those of the graph that was read first. That one is sent.
        if sha256_of(graph) != graph_entry.sha256:
            raise changed(graph.location)
        if signer:
            signature = signer.sign(model, [*entries, graph_entry])
            entries += upload.send([_signature_file(directory, signature)], lambda _: None)
        entries += upload.send([replace(graph, content=document)], advance)

        def manifest_of(number: int, newest: int | None) -> Manifest:
            return Manifest(
                model=model,
                version=number,
                files=tuple(sorted(entries, key=lambda entry: entry.path)),
                signatures=summary.signatures,
                tensorflow_version=summary.tensorflow_version,
                created_at=datetime.now(UTC).replace(microsecond=0),
                created_by=publisher(),
                keras_version=record.keras_version,
                git_commit=git.commit if git else None,
                git_dirty=git.dirty if git else None,
                parent=newest if parent is None else parent,
                labels=labels,
                metrics=metrics,
                sample=record.sample,
            )

        manifest = upload.commit(manifest_of)
    return Published(url=f"{store.url}/{version_path(model, manifest.version)}", manifest=manifest)


def require_names(
    model: str, version: int | None, labels: Mapping[str, str], metrics: Mapping[str, float]
) -> None:
    """Refuse a name, number, label or metric that some target or the manifest cannot hold."""
    require_model_name(model)
    if version is not None and not 1 <= version <= MAX_VERSION:
        raise RefusedError(f"Version {version}: a version is a whole number from 1 on.")
    for key, value in labels.items():
        if not key or not (key + value).isprintable():
            raise RefusedError(f"Label {key!r}: a label has a name and no control characters.")
    for key, number in metrics.items():
        if not key or not key.isprintable() or not math.isfinite(number):
            raise RefusedError(f"Metric {key!r}: a metric has a name and a finite number.")


def require_model_name(model: str) -> None:
    """Refuse a name that some target would not accept."""
    if not is_model_name(model):
        raise RefusedError(f"Model name {model!r}: a name is {MODEL_NAME_RULE}.")


def _signature_file(directory: Path, document: bytes) -> SourceFile:
    return SourceFile(
        path=SIGNATURE_NAME,
        location=directory / SIGNATURE_NAME,
        size_bytes=len(document),
        state=(len(document), 0, 0),
        content=document,
    )


def _read_graph(directory: Path) -> tuple[bytes, SavedModelSummary]:
    location = directory / SAVED_MODEL_NAME
    try:
        document = location.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RefusedError(
            f"{directory} is not a SavedModel: it has no {SAVED_MODEL_NAME}. Give the directory "
            "that tf.saved_model.save or model_export.export_model wrote."
        ) from error
    except OSError as error:
        raise RefusedError(f"Cannot read {location}: {error.strerror}.") from error
    return document, parse_saved_model(document, str(location))


def _read_record(directory: Path, summary: SavedModelSummary) -> ExportRecord:
    location = directory / EXPORT_RECORD_PATH
    try:
        document = location.read_bytes()
    except FileNotFoundError:
        return ExportRecord()
    except OSError as error:
        raise RefusedError(f"Cannot read {location}: {error.strerror}.") from error
    record = parse_export_record(document, str(location))
    if record.sample and record.sample.signature_name not in summary.signatures:
        raise RefusedError(
            f"{location}: sample.signature_name: the model has no signature "
            f"'{record.sample.signature_name}' (it has: {', '.join(summary.signatures)})."
        )
    return record
