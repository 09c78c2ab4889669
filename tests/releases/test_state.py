"""What a killed update left in the state, and what may be done about it."""

from typing import Any

import pytest

from infra.releases.errors import OperationFailedError
from infra.releases.secrecy import SECRET, SECRET_SIGNATURE, SIGNATURE
from infra.releases.state import pending_operations, require_resolvable, stack_outputs

URN = "urn:pulumi:dev::servestack::gcp:storage/bucket:Bucket::models"


def state(*kinds: str) -> dict[str, Any]:
    pending = [{"type": kind, "resource": {"urn": URN}} for kind in kinds]
    return {"version": 3, "deployment": {"pending_operations": pending}}


def test_a_state_without_pending_operations_has_none() -> None:
    assert pending_operations({"deployment": None}) == ()
    assert pending_operations({"deployment": {}}) == ()
    assert pending_operations(state()) == ()


def test_what_was_changing_is_looked_up_without_a_question() -> None:
    pending = pending_operations(state("updating", "deleting"))
    assert [str(operation) for operation in pending] == ["updating of models", "deleting of models"]
    require_resolvable(pending, "dev")


def test_what_was_being_created_is_a_persons_to_look_up() -> None:
    pending = pending_operations(state("updating", "creating"))
    with pytest.raises(OperationFailedError) as refused:
        require_resolvable(pending, "dev")
    told = str(refused.value)
    assert f"killed while it was creating\n  {URN}\n" in told
    assert "./scripts/pulumi refresh -s dev --clear-pending-creates --yes" in told


def test_a_stacks_outputs_are_in_its_state_without_their_secrets() -> None:
    outputs = {
        "bucket": "gs://models",
        "models": {
            "heart": {"version": 1, "key": {SIGNATURE: SECRET_SIGNATURE, "ciphertext": "v1:x"}}
        },
    }
    resources = [
        {"type": "gcp:storage/bucket:Bucket", "outputs": {"bucket": "not this one"}},
        {"type": "pulumi:pulumi:Stack", "outputs": outputs},
    ]
    assert stack_outputs({"deployment": {"resources": resources}}) == {
        "bucket": "gs://models",
        "models": {"heart": {"version": 1, "key": SECRET}},
    }
    assert stack_outputs({"deployment": None}) == {}
    assert stack_outputs({"deployment": {"resources": resources[:1]}}) == {}
