"""Signatures of versions in the OpenSSF model-signing format.

Owns what a signature covers: path and SHA-256 of each file of the version but its own, and the
model's name. The hashes are those of the manifest, which a verification compares with the files;
so nothing is read twice. The signature is a file of the version, `model.sig`, that the tools of
model-signing verify over a fetched copy as well. Key pairs are local; keyless signing asks
Sigstore over the network.
"""

import base64
import binascii
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, Final

from model_export.errors import ModelExportError, RefusedError
from model_export.layout import MANIFEST_NAME, SIGNATURE_NAME
from model_export.manifest import FileEntry

PASSWORD_VARIABLE: Final = "MODEL_EXPORT_KEY_PASSWORD"  # noqa: S105 a variable's name


@dataclass(frozen=True, kw_only=True)
class Signer:
    """Signs what is published; `name` tells one signer from another."""

    name: str
    configuration: Any

    def sign(self, model: str, files: Sequence[FileEntry]) -> bytes:
        """Give the signature's document."""
        with tempfile.TemporaryDirectory() as directory:
            location = Path(directory) / SIGNATURE_NAME
            self.configuration.set_hashing_config(_Hashes(files))
            try:
                self.configuration.sign(Path(model), location)
            # Sigstore, its HTTP client and its identity providers raise errors of their own.
            except Exception as error:
                raise ModelExportError(
                    f"Cannot sign, so nothing was published: {_first_line(error)}. Keyless "
                    "signing needs the network and an identity; a key pair needs neither."
                ) from error
            return location.read_bytes()


@dataclass(frozen=True, kw_only=True)
class Verifier:
    """Knows whose signature is wanted."""

    configuration: Any

    def fault(self, model: str, files: Sequence[FileEntry], document: bytes) -> str | None:
        """Say what is wrong with a signature; None if it is theirs and of these files."""
        with tempfile.TemporaryDirectory() as directory:
            location = Path(directory) / SIGNATURE_NAME
            location.write_bytes(document)
            self.configuration.set_hashing_config(_Hashes(files))
            try:
                self.configuration.verify(Path(model), location)
            # The same as above, and whatever a forged document leads to.
            except Exception as error:  # noqa: BLE001 each is a reason not to trust it
                return f"not a valid signature of these files by that signer: {_first_line(error)}"
        signed = _signed_model(document)
        return None if signed == model else f"signed as model '{signed}', not '{model}'"


def key_signer(private_key: Path) -> Signer:
    """Sign with a private key: an elliptic curve's, in PEM."""
    password = os.environ.get(PASSWORD_VARIABLE)
    return Signer(
        name=sha256(_read(private_key)).hexdigest(),
        configuration=_configured(
            private_key,
            lambda: (
                _package()
                .signing.Config()
                .use_elliptic_key_signer(
                    private_key=private_key,
                    # cryptography takes bytes.
                    password=password.encode() if password else None,
                )
            ),
        ),
    )


def keyless_signer() -> Signer:
    """Sign with the identity that the surroundings give, or that a person shows in a browser."""
    config = _package().signing.Config()
    return Signer(
        name="keyless",
        configuration=_online(lambda: config.use_sigstore_signer(use_ambient_credentials=True)),
    )


def key_verifier(public_key: Path) -> Verifier:
    """Want the signature of a public key's private half."""
    return Verifier(
        configuration=_configured(
            public_key,
            lambda: _package().verifying.Config().use_elliptic_key_verifier(public_key=public_key),
        )
    )


def keyless_verifier(identity: str, issuer: str) -> Verifier:
    """Want the signature of an identity, as in an e-mail address, that an issuer vouched for."""
    config = _package().verifying.Config()
    return Verifier(
        configuration=_online(
            lambda: config.use_sigstore_verifier(identity=identity, oidc_issuer=issuer)
        )
    )


class _Hashes:
    """Stands in for model-signing's hashing of a directory: the hashes are known already."""

    def __init__(self, files: Iterable[FileEntry]) -> None:
        self._files = [entry for entry in files if entry.path != SIGNATURE_NAME]

    def hash(self, model_path: Path, *, files_to_hash: Any = None) -> Any:
        """Give model-signing's list of the version's files."""
        del files_to_hash
        manifest = _package().manifest
        return manifest.Manifest(
            model_path.name,
            [
                manifest.FileManifestItem(
                    path=PurePosixPath(entry.path),
                    digest=manifest.hashing.Digest("sha256", bytes.fromhex(entry.sha256)),
                )
                for entry in self._files
            ],
            # What a fetched copy holds beyond the signed files.
            manifest._FileSerialization(  # noqa: SLF001 the public way reads the files again
                "sha256", ignore_paths=[Path(MANIFEST_NAME), Path(SIGNATURE_NAME)]
            ),
        )

    def add_ignored_paths(self, *, model_path: Any, paths: Any) -> None:
        """Ignore nothing: every file counts."""


def _signed_model(document: bytes) -> str:
    """Read the name from a document that was found valid."""
    try:
        envelope = json.loads(document)["dsseEnvelope"]
        return str(json.loads(base64.b64decode(envelope["payload"]))["subject"][0]["name"])
    except (ValueError, KeyError, IndexError, TypeError, binascii.Error):
        return "unknown"


def _configured(key: Path, configure: Callable[[], Any]) -> Any:
    _read(key)
    try:
        return configure()
    except (TypeError, ValueError, AttributeError) as error:
        # The package asks a key of any kind for its curve.
        is_other = isinstance(error, AttributeError)
        reason = "it is of another kind" if is_other else _first_line(error).rstrip("?")
        raise RefusedError(
            f"{key} is no key that can be used here: {reason}. Give an elliptic-curve "
            "key in PEM, as `openssl ecparam -name prime256v1 -genkey -noout` makes one; the "
            f"password of an encrypted one is taken from {PASSWORD_VARIABLE}."
        ) from error


def _online(configure: Callable[[], Any]) -> Any:
    try:
        return configure()
    # Sigstore fetches its root of trust, and has errors of its own for each way to fail.
    except Exception as error:
        raise ModelExportError(
            f"Cannot reach Sigstore, which keyless signatures need: {_first_line(error)}. Try "
            "again with the network, or use a key pair."
        ) from error


def _read(key: Path) -> bytes:
    try:
        return key.read_bytes()
    except OSError as error:
        raise RefusedError(f"Cannot read the key {key}: {error.strerror}.") from error


def _package() -> Any:
    try:
        import model_signing  # noqa: PLC0415 an extra that most do without
        from model_signing import manifest, signing, verifying  # noqa: F401, PLC0415 likewise
    except ImportError as error:
        raise RefusedError(
            f"Signing needs a package that is not installed ({error.name}); pip install "
            "'servestack[sign]'."
        ) from error
    return model_signing


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
