"""Signed versions: verified by us and by model-signing itself, and tampered with."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from model_export.directory_store import DirectoryStore
from model_export.errors import ModelExportError, RefusedError
from model_export.manifest import dump_manifest
from model_export.publish import publish
from model_export.signing import (
    PASSWORD_VARIABLE,
    key_signer,
    key_verifier,
    keyless_signer,
    keyless_verifier,
)
from model_export.verification import verify

pytest.importorskip("model_signing", reason="the extra `sign` is not installed")


def _keys(directory: Path, name: str = "key", password: bytes | None = None) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = directory / f"{name}.pem", directory / f"{name}.pub"
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    pem = serialization.Encoding.PEM
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, encryption))
    public.write_bytes(
        key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return _keys(tmp_path)


def _faults(store: DirectoryStore, public: Path, model: str = "heart") -> tuple[str, ...]:
    return verify(store, model, 1, verifier=key_verifier(public)).faults


def test_a_signed_version_verifies_by_its_key_alone(
    model: Path, store: DirectoryStore, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    manifest = publish(model, model="heart", store=store, signer=key_signer(keys[0])).manifest
    assert "model.sig" in {entry.path for entry in manifest.files}
    assert not (model / "model.sig").exists()
    assert _faults(store, keys[1]) == ()
    _, other = _keys(tmp_path, "other")
    (fault,) = _faults(store, other)
    assert fault.startswith("model.sig: not a valid signature of these files by that signer")


def test_the_tool_of_model_signing_verifies_a_copy_of_the_version(
    model: Path, store: DirectoryStore, root: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    publish(model, model="heart", store=store, signer=key_signer(keys[0]))
    copy = shutil.copytree(root / "heart/1", tmp_path / "copy")

    from model_signing import verifying  # noqa: PLC0415 not there without the extra

    config: Any = verifying.Config  # untyped
    tool = config().use_elliptic_key_verifier(public_key=keys[1])
    tool.verify(copy, copy / "model.sig")
    (copy / "variables/variables.index").chmod(0o644)
    (copy / "variables/variables.index").write_bytes(b"other")
    with pytest.raises(ValueError, match=r"variables\.index"):
        tool.verify(copy, copy / "model.sig")


def test_files_that_were_changed_together_with_the_manifest_are_found(
    model: Path, store: DirectoryStore, root: Path, keys: tuple[Path, Path], make_model: Any
) -> None:
    publish(model, model="heart", store=store, signer=key_signer(keys[0]))
    forged = publish(make_model("forged", files={"assets/x": b"evil"}), model="other", store=store)
    signature = (root / "heart/1/model.sig").read_bytes()
    entries = tuple(
        entry for entry in store.manifest("heart", 1).files if entry.path == "model.sig"
    )
    shutil.rmtree(root / "heart/1")
    shutil.copytree(root / "other/1", root / "heart/1")
    (root / "heart/1/model.sig").write_bytes(signature)
    manifest = replace(forged.manifest, model="heart", files=(*forged.manifest.files, *entries))
    (root / "heart/1/manifest.json").unlink()
    (root / "heart/1/manifest.json").write_bytes(dump_manifest(manifest))
    assert verify(store, "heart", 1, deep=True).faults == ()
    (fault,) = _faults(store, keys[1])
    assert "not a valid signature of these files" in fault


def test_a_signature_is_no_good_for_another_model(
    model: Path, store: DirectoryStore, root: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    publish(model, model="heart", store=store, signer=key_signer(keys[0]))
    copy = shutil.copytree(root / "heart/1", tmp_path / "copy")
    publish(copy, model="liver", store=store)
    assert _faults(store, keys[1], "liver") == ("model.sig: signed as model 'heart', not 'liver'",)
    publish(copy, model="heart", store=store, version=2)
    assert verify(store, "heart", 2, verifier=key_verifier(keys[1])).faults == ()


def test_a_version_that_is_signed_again_has_one_signature(
    model: Path, store: DirectoryStore, root: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    other = _keys(tmp_path, "other")
    publish(model, model="heart", store=store, signer=key_signer(keys[0]))
    copy = shutil.copytree(root / "heart/1", tmp_path / "copy")
    publish(copy, model="heart", store=store, version=3, signer=key_signer(other[0]))
    assert verify(store, "heart", 3, verifier=key_verifier(other[1])).faults == ()
    assert verify(store, "heart", 3, verifier=key_verifier(keys[1])).faults != ()


@pytest.mark.parametrize("forge", [b"", b"{}", b"[1]", b'{"dsseEnvelope": {"payload": "e30="}}'])
def test_what_is_no_signature_is_a_fault_and_no_traceback(
    model: Path, store: DirectoryStore, keys: tuple[Path, Path], forge: bytes
) -> None:
    (model / "model.sig").write_bytes(forge)
    publish(model, model="heart", store=store)
    (fault,) = _faults(store, keys[1])
    assert fault.startswith("model.sig: not a valid signature")


def test_a_version_without_a_signature_fails_where_one_is_required(
    model: Path, store: DirectoryStore, keys: tuple[Path, Path]
) -> None:
    publish(model, model="heart", store=store)
    assert _faults(store, keys[1]) == ("model.sig: missing: the version is not signed",)


def test_an_encrypted_key_takes_its_password_from_the_environment(
    model: Path, store: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = _keys(tmp_path, "locked", b"secret")
    with pytest.raises(RefusedError, match=PASSWORD_VARIABLE):
        key_signer(private)
    monkeypatch.setenv(PASSWORD_VARIABLE, "secret")
    publish(model, model="heart", store=store, signer=key_signer(private))
    assert _faults(store, public) == ()


@pytest.mark.parametrize("use", [key_signer, key_verifier])
def test_what_is_no_key_is_refused_in_one_line(
    tmp_path: Path, use: Callable[[Path], object]
) -> None:
    (tmp_path / "key").write_text("no key")
    for path in (tmp_path / "key", tmp_path / "nowhere"):
        with pytest.raises(RefusedError) as caught:
            use(path)
        assert "\n" not in str(caught.value)


def test_keyless_signing_without_the_network_is_refused_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for use in (keyless_signer, lambda: keyless_verifier("me@example.com", "https://example.com")):
        with pytest.raises(ModelExportError, match="Cannot reach Sigstore") as caught:
            use()
        assert "\n" not in str(caught.value)


def test_the_signature_is_the_format_of_openssf(
    model: Path, store: DirectoryStore, root: Path, keys: tuple[Path, Path]
) -> None:
    publish(model, model="heart", store=store, signer=key_signer(keys[0]))
    bundle = json.loads((root / "heart/1/model.sig").read_bytes())
    assert bundle["mediaType"].startswith("application/vnd.dev.sigstore.bundle")
    assert bundle["dsseEnvelope"]["payloadType"] == "application/vnd.in-toto+json"


def test_a_key_of_another_kind_is_told_in_words(tmp_path: Path) -> None:
    key = tmp_path / "rsa.pem"
    key.write_bytes(
        rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(RefusedError, match=r"used here: it is of another kind\. Give an elliptic"):
        key_signer(key)
