"""A signed upload that was interrupted goes on, and what stands there in the end is signed."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from model_export.object_store import ObjectStore
from model_export.publish import publish
from model_export.signing import key_signer, key_verifier
from model_export.store import open_store
from model_export.verification import verify
from tests.stores.clouds import Cloud

pytest.importorskip("model_signing", reason="the extra `sign` is not installed")


@pytest.mark.parametrize("last", ["saved_model.pb", "manifest.json", "model.sig"])
def test_a_signed_upload_goes_on_where_it_was_interrupted(
    cloud: Cloud, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"
    private.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public.write_bytes(
        key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    store = open_store(f"{cloud.kind}://{cloud.make_bucket()}/models")
    assert isinstance(store, ObjectStore)
    create = store._bucket.create

    def interrupted(key: str, *arguments: Any) -> Any:
        if key.endswith(last):
            raise KeyboardInterrupt
        return create(key, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(store._bucket, "create", interrupted)
        with pytest.raises(KeyboardInterrupt):
            publish(model, model="heart", store=store, signer=key_signer(private))
    assert store.versions("heart") == ()
    publish(model, model="heart", store=store, signer=key_signer(private))
    # The same number: nothing was sent twice.
    assert store.versions("heart") == (1,)
    found = verify(store, "heart", 1, deep=True, verifier=key_verifier(public))
    assert found.faults == ()
