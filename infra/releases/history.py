"""A stack's updates, read as releases, and the choice of the one to go back to. Pure.

The engine's history is the release history: nothing of ours is stored beside it. The one thing that
we add is a message, by which an update that did not stand its test is told from a good one.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from infra.errors import ServestackError
from infra.releases.model_release import ModelRelease, ended

_MODELS_KEY: Final = "servestack:models"
# The engine keeps with each update which agent ran it: so who ran one of ours stands there.
AGENT_PREFIX: Final = "servestack "
_PUT_BACK: Final = re.compile(r"Put back after update (\d+)\b")
_MODELS: Final = TypeAdapter(dict[str, ModelRelease])


class NoTargetError(ServestackError):
    """There is no release to go back to; the message says what there is instead."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """One entry of a stack's history.

    `models` is what the configuration said then; None where that cannot be known, because it was
    encrypted or is not written in a way that we can read. `withdrawn` marks an update that went
    through, but was put back at once because the versions did not answer as they should.
    """

    number: int
    kind: str
    result: str
    started: datetime
    ended: datetime | None
    message: str
    # Who ran it; `author` is the commit's.
    ran_by: str | None = None
    author: str | None
    commit: str | None
    models: Mapping[str, ModelRelease] | None
    withdrawn: bool = False

    @property
    def is_good(self) -> bool:
        """Tell whether this update brought its models to serve."""
        return self.kind == "update" and self.result == "succeeded" and not self.withdrawn


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a rollback goes: the earlier update, and each model's release after it."""

    update: Release
    models: Mapping[str, ModelRelease]
    notes: Sequence[str] = ()


def put_back_message(number: int, why: str) -> str:
    """Word the message of an update that undoes another, so that history can tell."""
    return f"Put back after update {number}: {why}"


def parse_history(document: str) -> tuple[Release, ...]:
    """Read `pulumi stack history --json`, newest first."""
    records: list[dict[str, Any]] = json.loads(document) or []
    # A file backend numbers nothing, so an update's number is its place.
    numbers = [
        record.get("version") or len(records) - index for index, record in enumerate(records)
    ]
    withdrawn = {
        int(found[1])
        for record in records
        if (found := _PUT_BACK.match(record.get("message", ""))) is not None
    }
    return tuple(
        _release(record, number, withdrawn=number in withdrawn)
        for record, number in zip(records, numbers, strict=True)
    )


def _release(record: Mapping[str, Any], number: int, *, withdrawn: bool) -> Release:
    environment = record.get("environment") or {}
    ended = record.get("endTime")
    return Release(
        number=number,
        kind=record["kind"],
        result=record.get("result") or "unknown",
        started=datetime.fromisoformat(record["startTime"]),
        ended=datetime.fromisoformat(ended) if ended else None,
        message=(record.get("message") or "").strip(),
        ran_by=_ran_by(environment),
        author=environment.get("git.author") or None,
        commit=environment.get("git.head") or None,
        models=_models(record.get("config") or {}),
        withdrawn=withdrawn,
    )


def _ran_by(environment: Mapping[str, Any]) -> str | None:
    agent = str(environment.get("exec.agent") or "")
    return agent.removeprefix(AGENT_PREFIX) if agent.startswith(AGENT_PREFIX) else None


def _models(config: Mapping[str, Any]) -> Mapping[str, ModelRelease] | None:
    entry = config.get(_MODELS_KEY)
    if entry is None:
        return {}
    try:
        raw = entry.get("objectValue")
        return _MODELS.validate_python(json.loads(entry["value"]) if raw is None else raw)
    except (KeyError, TypeError, ValueError, ValidationError):
        return None


def deployed_since(model: str, release: ModelRelease, history: Sequence[Release]) -> Release | None:
    """Find the update since which a model's versions and share have been these, without a break.

    Updates that failed changed nothing of it; labels are not looked at.
    """
    since = None
    for entry in history:
        if entry.result != "succeeded" or entry.kind not in {"update", "destroy"}:
            continue
        then = (entry.models or {}).get(model) if entry.kind == "update" else None
        if then is None or (then.version, then.canary) != (release.version, release.canary):
            break
        since = entry
    return since


def choose_target(
    releases: Sequence[Release],
    now: Mapping[str, ModelRelease],
    *,
    to: int | None = None,
    model: str | None = None,
) -> Target:
    """Choose the update to go back to, for all models or for one.

    Chosen freely it is the last good update whose releases differ from now. That never ends a
    model: one that was not served then stays as it is. And it never starts a trial, nor goes on
    with one: of a model that was on trial then, the version that served before comes back alone.
    Both are done where `to` names the update.
    """
    if model is not None and model not in now:
        raise NoTargetError(f"There is no model {model!r}; the stack has: {', '.join(now)}")
    scope = {model: now[model]} if model is not None else now
    if to is not None:
        return _named_target(releases, scope, to)
    for entry in releases:
        if not entry.is_good or entry.models is None:
            continue
        served = {name: then for name, then in _then(entry, scope) if then.version is not None}
        if all(served[name] == scope[name] for name in served):
            continue
        back = {name: _without_trial(then) for name, then in served.items()}
        if any(back[name] != scope[name] for name in back):
            notes = [*_notes(entry, scope, back), *_trials(entry, served)]
            return Target(update=entry, models=back, notes=notes)
    raise NoTargetError(_why_none(releases, model))


def _named_target(
    releases: Sequence[Release], scope: Mapping[str, ModelRelease], to: int
) -> Target:
    entry = next((entry for entry in releases if entry.number == to), None)
    if entry is None:
        span = f"1 to {releases[0].number}" if releases else "none yet"
        raise NoTargetError(f"There is no update {to}; the updates are: {span}")
    if entry.kind != "update":
        raise NoTargetError(f"Update {to} was a {entry.kind}: it released nothing.")
    if entry.result != "succeeded":
        raise NoTargetError(f"Update {to} is no good release: its result is {entry.result!r}.")
    if entry.withdrawn:
        raise NoTargetError(f"Update {to} was put back at once: its versions did not answer.")
    if entry.models is None:
        raise NoTargetError(
            f"What update {to} released is not known: its servestack:models is encrypted or of an "
            "unknown form. Release by number, with `servestack release`."
        )
    back = dict(_then(entry, scope))
    return Target(update=entry, models=back, notes=_notes(entry, scope, back))


def _then(entry: Release, scope: Mapping[str, ModelRelease]) -> Iterator[tuple[str, ModelRelease]]:
    return ((name, then) for name, then in (entry.models or {}).items() if name in scope)


def _without_trial(release: ModelRelease) -> ModelRelease:
    if release.canary is None or not isinstance(release.version, int):
        return release
    return ended(release, survivor=release.version)


def _trials(entry: Release, served: Mapping[str, ModelRelease]) -> Iterator[str]:
    for name, then in served.items():
        if then.canary is not None:
            yield (
                f"{name} was on trial then ({then}); {then.version} comes back alone. With the "
                f"trial: --to {entry.number}"
            )


def _notes(
    entry: Release, scope: Mapping[str, ModelRelease], back: Mapping[str, ModelRelease]
) -> list[str]:
    stays = [
        f"{name} was not served then; it stays at {scope[name]}"
        for name in scope
        if name not in back and scope[name].version is not None
    ]
    gone = sorted((entry.models or {}).keys() - scope.keys())
    return [*stays, *(f"{name} is not declared any more; it stays away" for name in gone)]


def _why_none(releases: Sequence[Release], model: str | None) -> str:
    of_model = f" of {model}" if model else ""
    good = sum(entry.is_good for entry in releases)
    unknown = sum(entry.is_good and entry.models is None for entry in releases)
    reason = f"none of the {good} good updates differs from what is configured now"
    if not releases:
        reason = "the history is empty"
    elif not good:
        reason = f"none of the {len(releases)} updates was a good release"
    hint = f" ({unknown} of them cannot be read: their models are encrypted)" if unknown else ""
    return f"There is no earlier release{of_model} to go back to: {reason}{hint}."
