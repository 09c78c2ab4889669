"""What differs between two objects, and which differences ask for a new one; pure.

As the real provider has it: it compares what a program wrote, and in a refresh only the fields that
the program wrote. Which fields ask for a new object is the real provider's own list: a change of
any other that cannot be changed goes to the API server, which refuses it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.standins.values import UNKNOWN

Place = tuple[str | int, ...]

_POD_TEMPLATES: Final = (("spec", "selector"), ("spec", "template"))
# Group and kind; the version makes no difference for any that is served today.
_REPLACING: Final[Mapping[tuple[str, str], tuple[Place, ...]]] = {
    ("", "ConfigMap"): (("data",), ("binaryData",)),
    ("", "Secret"): (("data",), ("stringData",), ("type",)),
    ("", "Service"): (("spec", "clusterIP"),),
    ("", "PersistentVolumeClaim"): (("spec",),),
    ("", "Pod"): (("spec",),),
    ("apps", "DaemonSet"): (("spec", "selector"),),
    ("apps", "Deployment"): (("spec", "selector"),),
    ("apps", "StatefulSet"): (
        ("spec", "podManagementPolicy"),
        ("spec", "selector"),
        ("spec", "serviceName"),
        ("spec", "volumeClaimTemplates"),
    ),
    ("batch", "Job"): (("spec", "completions"), ("spec", "parallelism"), *_POD_TEMPLATES),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): (("roleRef",),),
    ("rbac.authorization.k8s.io", "RoleBinding"): (("roleRef",),),
    ("storage.k8s.io", "StorageClass"): (("parameters",), ("provisioner",)),
}
_IDENTITY: Final[tuple[Place, ...]] = (
    ("apiVersion",),
    ("kind",),
    ("metadata", "name"),
    ("metadata", "namespace"),
)
# What tells the items of a list apart; the API server may give them back in another order.
_KEYS: Final = ("name", "mountPath", "containerPort", "port", "topologyKey", "key", "ip")


def differences(old: Any, new: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the place of each difference; what is unknown differs."""
    if new is UNKNOWN:
        yield place
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted({*old, *new}):
            yield from differences(old.get(name), new.get(name), (*place, name))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, after, (*place, index))
    elif old != new:
        yield place


def replacing(
    api_version: str, kind: str, changed: list[Place], *, mutable: tuple[str, ...] = ()
) -> list[Place]:
    """Return those of the changes that ask for a new object."""
    group = api_version.rpartition("/")[0]
    fixed = (*_IDENTITY, *(() if kind in mutable else _REPLACING.get((group, kind), ())))
    # Where a whole part is unknown, what is fixed in it may change.
    return [
        place
        for place in changed
        if any(place[: len(each)] == each or each[: len(place)] == place for each in fixed)
    ]


def as_written(live: Any, written: Any) -> Any:
    """Return `live` with the fields of `written` only: what a program would have to write now."""
    if isinstance(written, Mapping) and isinstance(live, Mapping):
        return {
            name: as_written(live.get(name), value)
            for name, value in written.items()
            # What is empty or false is often left out where it is kept.
            if name in live or not value
        }
    if isinstance(written, list) and isinstance(live, list):
        if len(live) != len(written) and not _key(written):
            return live
        return list(_items(live, written))
    if live is None and not written:
        return written
    return live


def _items(live: list[Any], written: list[Any]) -> Iterator[Any]:
    key = _key(written)
    if key is None:
        for before, after in zip(live, written, strict=True):
            yield as_written(before, after)
        return
    # A sidecar that someone else put beside ours is no drift of ours; one of ours that is gone is.
    found = {item[key]: item for item in live if isinstance(item, Mapping) and key in item}
    for item in written:
        if item[key] in found:
            yield as_written(found[item[key]], item)


def _key(items: list[Any]) -> str | None:
    for key in _KEYS:
        values = [item.get(key) for item in items if isinstance(item, Mapping)]
        if items and len(values) == len(items) == len({*map(repr, values)} - {"None"}):
            return key
    return None
