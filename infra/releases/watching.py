"""Releasing what is published, by each model's own policy: one pass at a time.

A version is taken up once. Which were, the stack's history says, so that a version which was rolled
back, aborted or put back is not released again; and so does what failed before it got there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from infra.config.model import StackConfig
from infra.config.release_values import OnPublish
from infra.errors import ServestackError
from infra.releases.artefacts import breaking_changes, require_artefacts
from infra.releases.errors import OperationFailedError
from infra.releases.history import Release, parse_history
from infra.releases.model_release import Canary, ModelRelease, release_of
from infra.releases.releasing import change_unattended
from infra.releases.session import Session
from infra.storage.published import PublishedModels


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A version that is to be taken up, and how."""

    model: str
    version: int
    before: ModelRelease
    after: ModelRelease


def watched(config: StackConfig) -> list[str]:
    """List the models whose policy asks for it."""
    return [
        name for name in config.models if config.rollout_of(name).on_publish is not OnPublish.IGNORE
    ]


def arrival(
    model: str, newest: int | None, config: StackConfig, history: Sequence[Release]
) -> Arrival | None:
    """Decide what becomes of the newest version of a model. Pure; None where nothing does."""
    now = release_of(config.models[model])
    if newest is None or now.canary is not None or now.version == "latest":
        # A trial is let come to its end first.
        return None
    highest = now.version or 0
    if newest <= highest or newest in _taken_up(model, history):
        return None
    rollout = config.rollout_of(model)
    if rollout.on_publish is OnPublish.CANARY and now.version is not None:
        after = replace(now, canary=Canary(version=newest, share=rollout.steps[0]))
    else:
        after = replace(
            now,
            version=newest,
            labels={label: newest if at == now.version else at for label, at in now.labels.items()},
        )
    return Arrival(model=model, version=newest, before=now, after=after)


def _taken_up(model: str, history: Sequence[Release]) -> Iterator[int]:
    for entry in history:
        then = (entry.models or {}).get(model)
        if then is not None:
            yield from then.pinned_versions


@dataclass
class Watcher:
    """Looks at a bucket again and again; what it has told or tried it does not repeat."""

    session: Session
    only: Sequence[str] = ()
    _settled: dict[tuple[str, int], str] = field(default_factory=dict)
    _told: dict[str, str] = field(default_factory=dict)

    def look(self) -> list[Arrival]:
        """Find the versions that are to be taken up now."""
        file = self.session.read()
        bucket = PublishedModels(self.session.outputs()["bucket"])
        history = parse_history(self.session.engine.history())
        found = []
        for model in watched(file.config):
            if self.only and model not in self.only:
                continue
            new = arrival(model, bucket.newest(model), file.config, history)
            if new is not None and (model, new.version) not in self._settled:
                found.append(new)
        return found

    def take_up(self, new: Arrival) -> bool:
        """Release one; what cannot be released is told once and left to people."""
        try:
            self._require_sound(new)
            reason = f"Published as version {new.version}, and taken up by servestack watch"
            return change_unattended(self.session, new.model, new.before, new.after, reason)
        except ServestackError as error:
            # An update that failed is in the history; a second try would fail the same way.
            self._settled[new.model, new.version] = str(error)
            self.session.say(f"{new.model} {new.version} was not released: {error}")
            if isinstance(error, OperationFailedError):
                return False
            self.session.say(
                f"  By hand: servestack release -s {self.session.engine.stack} "
                f"{new.model}={new.version}"
            )
            return False

    @property
    def failures(self) -> Mapping[tuple[str, int], str]:
        """Give what was not released, and why."""
        return self._settled

    def say_once(self, subject: str, line: str) -> None:
        """Say a line when it is another than the last one about its subject."""
        if self._told.get(subject) != line:
            self._told[subject] = line
            self.session.say(line)

    def _require_sound(self, new: Arrival) -> None:
        bucket = PublishedModels(self.session.outputs()["bucket"])
        after = {new.model: new.after}
        manifests = require_artefacts(bucket, after)
        breaking = breaking_changes(bucket, {new.model: new.before}, after, manifests)
        if breaking:
            raise ServestackError("\n".join([*breaking, "Nobody accepted that."]))
