"""What the Kubernetes stand-in takes for a change, for a drift, and for a reason to replace."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.standins.kubernetes.comparing import as_written, differences, replacing
from tests.standins.values import UNKNOWN

names = st.text("abc", min_size=1, max_size=3)
leaves = st.booleans() | st.integers() | st.text(max_size=5)
values = st.recursive(
    leaves,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(names, children, max_size=3),
    max_leaves=10,
)
objects = st.dictionaries(names, values, max_size=4)


@given(objects)
def test_an_object_does_not_differ_from_itself_nor_drift_from_itself(body: dict[str, Any]) -> None:
    assert list(differences(body, body)) == []
    assert as_written(body, body) == body


def with_more(value: Any) -> Any:
    """Return a value to which a server has added fields."""
    if isinstance(value, dict):
        return {**{name: with_more(part) for name, part in value.items()}, "added": 1}
    return [with_more(part) for part in value] if isinstance(value, list) else value


@given(objects)
def test_what_a_server_adds_is_no_drift(body: dict[str, Any]) -> None:
    assert as_written(with_more(body), body) == body


@given(objects, names, leaves, leaves)
def test_what_was_written_and_is_otherwise_now_is_drift(
    body: dict[str, Any], name: str, before: Any, now: Any
) -> None:
    written = {**body, name: before}
    drifted = as_written({**written, name: now}, written)
    assert (list(differences(written, drifted)) == []) == (before == now)


def test_a_list_is_compared_by_what_tells_its_items_apart() -> None:
    written = {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}
    live = {
        "containers": [
            {"name": "sidecar", "image": "9"},
            {"name": "b", "image": "1", "ready": True},
            {"name": "a", "image": "2"},
        ]
    }
    assert list(differences(written, as_written(live, written))) == [("containers", 0, "image")]
    gone = {"containers": live["containers"][:2]}
    assert list(differences(written, as_written(gone, written))) == [("containers",)]


@pytest.mark.parametrize(
    ("version", "kind", "place", "replaces"),
    [
        ("v1", "ConfigMap", ("data", "a"), True),
        ("v1", "ConfigMap", ("metadata", "labels"), False),
        ("v1", "ConfigMap", ("metadata", "name"), True),
        ("apps/v1", "Deployment", ("spec", "replicas"), False),
        ("apps/v1", "Deployment", ("spec", "selector", "matchLabels", "app"), True),
        ("batch/v1", "Job", ("spec", "template", "spec", "containers", 0, "image"), True),
        ("rbac.authorization.k8s.io/v1", "RoleBinding", ("roleRef", "name"), True),
        ("v1", "Service", ("spec", "ports", 0, "port"), False),
    ],
)
def test_some_fields_ask_for_a_new_object(
    version: str, kind: str, place: tuple[str | int, ...], *, replaces: bool
) -> None:
    assert bool(replacing(version, kind, [place])) == replaces


def test_an_unknown_part_may_hide_a_field_that_asks_for_a_new_object() -> None:
    (place,) = differences({"spec": {"selector": {}}}, {"spec": UNKNOWN})
    assert replacing("apps/v1", "Deployment", [place]) == [("spec",)]
    assert replacing("v1", "ConfigMap", [("data",)], mutable=("ConfigMap",)) == []
