"""What a preview would change, read from the engine's words; and that no secret is in it."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from infra.errors import ServestackError
from infra.releases.preview import (
    UNKNOWN,
    PolicyFinding,
    Preview,
    PropertyChange,
    preview_lines,
    preview_of_document,
    preview_of_events,
)
from infra.releases.secrecy import SECRET

HEAD = "urn:pulumi:dev::servestack::"
DEPLOYMENT = f"{HEAD}servestack:serving:KubernetesModel$kubernetes:apps/v1:Deployment::heart"
HIDDEN = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "x"}


def step(
    op: str,
    urn: str = DEPLOYMENT,
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    sides = {"oldState": old, "newState": new}
    told = {key: {"inputs": side} for key, side in sides.items() if side is not None}
    return {"op": op, "urn": urn, **told, **more}


def read(*steps: dict[str, Any], **more: Any) -> Preview:
    return preview_of_document(json.dumps({"steps": steps, **more}))


def properties(old: dict[str, Any], new: dict[str, Any], urn: str = DEPLOYMENT) -> dict[str, Any]:
    (change,) = read(step("update", urn, old, new)).changes
    return {one.path: (one.before, one.after) for one in change.properties}


def test_only_what_changes_is_told_by_its_path() -> None:
    old = {"spec": {"replicas": 2, "containers": [{"image": "serving:1"}, {"image": "side:1"}]}}
    new = {"spec": {"replicas": 3, "containers": [{"image": "serving:2"}, {"image": "side:1"}]}}
    assert properties(old, new) == {
        "spec.replicas": ("2", "3"),
        "spec.containers[0].image": ("serving:1", "serving:2"),
    }


def test_what_comes_and_goes_has_one_side_only() -> None:
    assert properties({"a": 1}, {"b": None}) == {"a": ("1", None), "b": (None, "null")}


def test_what_only_the_update_knows_is_called_so() -> None:
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    assert properties({"id": "x"}, {"id": unknown}) == {"id": ("x", UNKNOWN)}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"db": {"password": "hunter2"}}, {"db": {"password": "hunter3"}}),
        ({"env": [{"api_token": "abc"}]}, {"env": [{"api_token": "abd"}]}),
        ({"value": HIDDEN}, {"value": "plain"}),
        ({"privateKey": "----"}, {"privateKey": "-----"}),
        ({"value": SECRET}, {"value": "now plain"}),
    ],
    ids=["called a password", "called a token", "marked by the engine", "a key", "hidden"],
)
def test_a_secret_is_seen_to_change_and_not_shown(old: dict[str, Any], new: dict[str, Any]) -> None:
    (told,) = properties(old, new).values()
    assert told[0] == SECRET
    assert "hunter" not in str(told)
    assert "abd" not in str(told)


def test_nothing_of_a_secret_of_kubernetes_is_shown() -> None:
    urn = f"{HEAD}kubernetes:core/v1:Secret::key"
    told = properties({"data": {"a": "b2xk"}}, {"data": {"a": "bmV3"}}, urn)
    assert told == {"data": (SECRET, SECRET)}


def test_a_replacement_in_three_steps_is_one() -> None:
    preview = read(
        step("create-replacement", old={"name": "a"}, new={"name": "b"}, replaceReasons=["name"]),
        step("replace", old={"name": "a"}, new={"name": "b"}, replaceReasons=["name"]),
        step("delete-replaced", old={"name": "a"}),
    )
    (change,) = preview.changes
    assert (change.action, change.replaced_for) == ("replace", ("name",))
    assert change.properties == (PropertyChange(path="name", before="a", after="b"),)


def test_what_is_lost_comes_first_and_groups_are_left_out() -> None:
    component = f"{HEAD}servestack:serving:KubernetesModel::heart"
    preview = read(
        step("create", component, new={}),
        step("create", f"{HEAD}kubernetes:core/v1:Service::heart", new={}),
        step("delete", f"{HEAD}gcp:storage/bucket:Bucket::models", old={}),
        step("same", f"{HEAD}kubernetes:core/v1:Namespace::models", old={}, new={}),
        step("create", f"{HEAD}pulumi:providers:kubernetes::cluster", new={}),
        step("replace", old={"a": 1}, new={"a": 2}, replaceReasons=["a"]),
    )
    assert preview_lines(preview) == [
        "DELETE Bucket models",
        "REPLACE Deployment heart (for a)",
        "create Service heart",
    ]
    assert preview_lines(Preview()) == ["no resource changes"]


def test_what_is_only_renewed_under_its_contents_name_is_no_loss() -> None:
    config = f"{HEAD}kubernetes:core/v1:ConfigMap::"
    preview = read(
        step("create", f"{config}heart-0123abcd", new={}),
        step("delete", f"{config}heart-99999999", old={}),
        step("delete", f"{config}liver-99999999", old={}),
        step("create", f"{HEAD}kubernetes:core/v1:Secret::key-0123abcd", new={}),
        step("delete", f"{HEAD}kubernetes:core/v1:Secret::key-99999999", old={}),
    )
    assert [change.name for change in preview.lost] == ["liver-99999999", "key-99999999"]
    assert preview_lines(preview) == [
        "DELETE ConfigMap liver-99999999",
        "DELETE Secret key-99999999",
        "create ConfigMap heart-0123abcd",
        "delete ConfigMap heart-99999999",
        "create Secret key-0123abcd",
    ]


def test_the_stacks_own_outputs_tell_what_is_deployed() -> None:
    stack = f"{HEAD}pulumi:pulumi:Stack::servestack-dev"
    outputs = {"models": {"heart": {"version": 1}}}
    document = {"steps": [{"op": "same", "urn": stack, "oldState": {"outputs": outputs}}]}
    assert preview_of_document(json.dumps(document)).outputs == outputs


def test_errors_are_told_once_and_without_their_echo() -> None:
    told = [
        {"severity": "error", "message": "error: Pulumi.dev.yaml: servestack:x: no\n"},
        {"severity": "info", "message": "well"},
        {"severity": "error", "message": "error: an unhandled error occurred: Program exited with"},
    ]
    preview = read(diagnostics=told)
    assert preview.errors[0] == "Pulumi.dev.yaml: servestack:x: no"


@pytest.mark.parametrize("text", ["", "[]", '{"steps": [{}]}', "not json", '{"stps": []}'])
def test_what_is_no_preview_is_told(text: str) -> None:
    with pytest.raises(ServestackError, match="pulumi preview --json"):
        preview_of_document(text)


def test_policies_are_known_from_events_only() -> None:
    finding = SimpleNamespace(
        policy_name="pod-limits",
        enforcement_level="mandatory",
        message="<{%fg 1%}>[pod-limits] no limits<{%reset%}>\n",
        resource_urn=DEPLOYMENT,
    )
    state = SimpleNamespace(type="x", inputs={"a": 1}, outputs={})
    metadata = SimpleNamespace(op="create", urn=DEPLOYMENT, old=None, new=state, keys=None)
    events: list[Any] = [
        SimpleNamespace(
            resource_pre_event=SimpleNamespace(metadata=metadata), policy_event=finding
        ),
        SimpleNamespace(resource_pre_event=None, policy_event=finding),
    ]
    preview = preview_of_events(events, asked_policies=True)
    assert preview.policies == (
        PolicyFinding(
            rule="pod-limits",
            level="mandatory",
            message="[pod-limits] no limits",
            resource="heart",
        ),
    )
    assert [change.action for change in preview.changes] == ["create"]
    assert preview_of_events(events, asked_policies=False).policies is None
    assert preview_of_document('{"steps": []}').policies is None
