"""Whether a version in a store is what its manifest says, and who signed it.

Uses the SHA-256 that a store keeps beside a file, and re-reads where there is none; a deep
verification re-reads all. A verdict is a value: every fault is found, none is raised.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Final

from model_export.errors import ModelExportError
from model_export.keeping import StoredFile
from model_export.layout import SIGNATURE_NAME
from model_export.manifest import FileEntry, Manifest
from model_export.signing import Verifier
from model_export.store import Store
from model_export.transfers import Transfers

# A file is hashed in order; several files are read at once.
_PIECE_BYTES: Final = 8 << 20


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was found; without faults the version is whole."""

    manifest: Manifest
    faults: tuple[str, ...]
    read_bytes: int
    is_signed: bool
    signature_checked: bool


def verify(
    store: Store,
    model: str,
    version: int,
    *,
    deep: bool = False,
    verifier: Verifier | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Verification:
    """Compare what the store has with the manifest, and the manifest with its signature."""
    manifest = store.manifest(model, version)
    there = {file.path: file for file in store.keeping(model).files(version)}
    known = {entry.path: entry for entry in manifest.files}
    faults = [f"{path}: not in the manifest" for path in sorted(there.keys() - known.keys())]
    faults += [f"{path}: missing" for path in sorted(known.keys() - there.keys())]
    to_read: list[FileEntry] = []
    for path in sorted(known.keys() & there.keys()):
        if fault := _fault(known[path], there[path]):
            faults.append(f"{path}: {fault}")
        elif deep or there[path].sha256 is None:
            to_read.append(known[path])
    with Transfers() as transfers:
        found = transfers.finish(
            [
                transfers.submit(
                    min(entry.size_bytes, _PIECE_BYTES),
                    partial(_read_fault, store, manifest, entry, advance),
                )
                for entry in to_read
            ]
        )
    faults += [fault for fault in found if fault]
    is_signed = SIGNATURE_NAME in known
    if verifier:
        faults += _signature_faults(store, manifest, verifier)
    return Verification(
        manifest=manifest,
        faults=tuple(faults),
        read_bytes=sum(entry.size_bytes for entry in to_read),
        is_signed=is_signed,
        signature_checked=verifier is not None,
    )


def _fault(entry: FileEntry, stored: StoredFile) -> str | None:
    if stored.size_bytes != entry.size_bytes:
        return f"{stored.size_bytes} bytes, not {entry.size_bytes}"
    if stored.sha256 not in {None, entry.sha256}:
        return f"the store keeps the SHA-256 {stored.sha256}, not {entry.sha256}"
    return None


def _read_fault(
    store: Store, manifest: Manifest, entry: FileEntry, advance: Callable[[int], None]
) -> str | None:
    digest = sha256()
    for start in range(0, entry.size_bytes, _PIECE_BYTES):
        count = min(_PIECE_BYTES, entry.size_bytes - start)
        piece = store.read(manifest.model, manifest.version, entry.path, start, count)
        digest.update(piece)
        advance(len(piece))
    if digest.hexdigest() == entry.sha256:
        return None
    return f"{entry.path}: its bytes have the SHA-256 {digest.hexdigest()}, not {entry.sha256}"


def _signature_faults(store: Store, manifest: Manifest, verifier: Verifier) -> list[str]:
    entry = next((one for one in manifest.files if one.path == SIGNATURE_NAME), None)
    if entry is None:
        return [f"{SIGNATURE_NAME}: missing: the version is not signed"]
    try:
        document = store.read(manifest.model, manifest.version, SIGNATURE_NAME, 0, entry.size_bytes)
    except ModelExportError as error:
        return [f"{SIGNATURE_NAME}: {error}"]
    fault = verifier.fault(manifest.model, manifest.files, document)
    return [f"{SIGNATURE_NAME}: {fault}"] if fault else []
