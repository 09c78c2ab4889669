"""Versions and aliases in Vertex AI's model registry: found, registered, described, removed.

The registry numbers versions by itself, so ours are known by an alias that they are registered
with. Finding comes before making: what a lost or killed run left is taken up.
"""

from collections.abc import Mapping

from infra.labels import STACK_LABEL
from infra.serving.vertex.aliases import DEFAULT, alias_steps
from infra.serving.vertex.api import VertexApi
from infra.serving.vertex.faults import ChangedError, Doing, VertexError
from infra.serving.vertex.operations import converge, follow, lock_of, settle
from infra.serving.vertex.progress import Tell
from infra.serving.vertex.records import (
    VersionRecord,
    content_mark,
    identity_alias,
    is_owned,
    version_labels,
)
from infra.serving.vertex.specs import AliasesSpec, VersionKey, VersionSpec


def ensure_version(api: VertexApi, spec: VersionSpec, tell: Tell) -> VersionRecord:
    """Have the version registered with its labels and description."""
    doing = _doing(spec, f"registering version {spec.version}")
    name = spec.place.model(spec.model_id)

    def step() -> VersionRecord:
        settle(api, name, doing, tell)
        versions = api.versions(spec.model_id, doing)
        _require_ours(versions, spec, doing)
        found = _found(versions, spec)
        if found is None:
            operation = api.upload(spec, doing, is_first=not versions)
            follow(api, operation, doing, tell)
            found = _found(api.versions(spec.model_id, doing), spec)
        if found is None:
            raise ChangedError(f"{doing}: it was registered and is gone.")
        labels = version_labels(spec)
        if not labels.items() <= found.labels.items() or found.description != spec.description:
            api.describe(found, {**found.labels, **labels}, spec.description, doing)
        return found

    with lock_of(name):
        return converge(step, tell)


def find_version(api: VertexApi, spec: VersionSpec) -> VersionRecord | None:
    """Look for the version."""
    doing = _doing(spec, f"looking for version {spec.version}")
    return _found(api.versions(spec.model_id, doing), spec)


def remove_version(api: VertexApi, spec: VersionSpec, tell: Tell) -> None:
    """Take the version out, and the model with the last one."""
    doing = _doing(spec, f"removing version {spec.version}")
    name = spec.place.model(spec.model_id)

    def step() -> None:
        settle(api, name, doing, tell)
        versions = api.versions(spec.model_id, doing)
        found = _found(versions, spec)
        if found is None:
            return
        others = [version for version in versions if version != found]
        if not others:
            follow(api, api.delete_model(spec.model_id, doing), doing, tell)
            return
        if DEFAULT in found.aliases:
            newest = max(others, key=lambda version: int(version.version_id))
            api.name_version(spec.model_id, newest.version_id, (DEFAULT,), doing)
        follow(api, api.delete_version(found, doing), doing, tell)

    with lock_of(name):
        converge(step, tell)


def ensure_aliases(api: VertexApi, spec: AliasesSpec, dropped: frozenset[str], tell: Tell) -> None:
    """Have each alias on its version; of the others only those dropped go."""
    doing = Doing(what="moving aliases", place=spec.place, owner=spec.owner)
    name = spec.place.model(spec.model_id)

    def step() -> None:
        versions = api.versions(spec.model_id, doing)
        by_key = {version.key: version.version_id for version in versions}
        missing = [key.version for key in spec.aliases.values() if key not in by_key]
        if missing:
            raise VertexError(
                f"{doing}: version {missing[0]} is not in the registry any more. Run `pulumi "
                "refresh`, then `pulumi up`."
            )
        _require_free(versions, spec, doing)
        wanted = {alias: by_key[key] for alias, key in spec.aliases.items()}
        for move in alias_steps(_held(versions), wanted, dropped):
            api.name_version(spec.model_id, move.version_id, move.words, doing)

    with lock_of(name):
        converge(step, tell)


def remove_aliases(api: VertexApi, spec: AliasesSpec, tell: Tell) -> None:
    """Take the aliases away, but for the default, which goes with the last version."""
    doing = Doing(what="removing aliases", place=spec.place, owner=spec.owner)

    def step() -> None:
        held = _held(api.versions(spec.model_id, doing))
        for move in alias_steps(held, {}, frozenset(spec.aliases)):
            api.name_version(spec.model_id, move.version_id, move.words, doing)

    with lock_of(spec.place.model(spec.model_id)):
        converge(step, tell)


def read_aliases(api: VertexApi, spec: AliasesSpec) -> Mapping[str, VersionKey] | None:
    """Tell which version each of our aliases is on now; None where the model is gone."""
    doing = Doing(what="looking for aliases", place=spec.place, owner=spec.owner)
    versions = api.versions(spec.model_id, doing)
    if not versions:
        return None
    held = {alias: version for version in versions for alias in version.aliases}
    return {
        alias: held[alias].key or VersionKey(version=0, container=held[alias].version_id)
        for alias in spec.aliases
        if alias in held
    }


def _doing(spec: VersionSpec, what: str) -> Doing:
    return Doing(what=what, place=spec.place, owner=spec.owner)


def _held(versions: tuple[VersionRecord, ...]) -> Mapping[str, str]:
    return {alias: version.version_id for version in versions for alias in version.aliases}


def _found(versions: tuple[VersionRecord, ...], spec: VersionSpec) -> VersionRecord | None:
    wanted = identity_alias(spec)
    return next((version for version in versions if wanted in version.aliases), None)


def _require_ours(versions: tuple[VersionRecord, ...], spec: VersionSpec, doing: Doing) -> None:
    """Refuse somebody else's model, and a version that means something else."""
    if versions and not spec.adopt:
        stranger = next(
            (version for version in versions if not is_owned(version.labels, spec.owner)), None
        )
        if stranger is not None:
            whose = stranger.labels.get(STACK_LABEL)
            raise VertexError(
                f"{doing}: {spec.place.model(spec.model_id)} was made by "
                f"{f'stack {whose}' if whose else 'somebody else'}. Write another name as "
                f"{spec.owner.key}.vertex.model_id, or take it up with: adopt: true"
            )
    for version in versions:
        if version.key is None or version.key.version != spec.version:
            continue
        if version.content != content_mark(spec):
            raise VertexError(
                f"{doing}: the registry has a version {spec.version} with other content "
                f"({version.content}, the bucket has {content_mark(spec)}), and a version never "
                "changes. Publish it under a new number, or, if it was a mistake, remove "
                f"{version.name}."
            )


def _require_free(versions: tuple[VersionRecord, ...], spec: AliasesSpec, doing: Doing) -> None:
    """Refuse to take a name from a version that somebody else has registered."""
    if spec.adopt:
        return
    for version in versions:
        taken = sorted(set(version.aliases) & spec.aliases.keys() - {DEFAULT})
        if taken and (version.key is None or not is_owned(version.labels, spec.owner)):
            raise VertexError(
                f"{doing}: {taken[0]} names {version.name}, which this stack did not register. "
                f"Write another label below {spec.owner.key}.labels, or take the model up with: "
                f"{spec.owner.key}.vertex.adopt: true"
            )
