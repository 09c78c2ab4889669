"""One command at work on one stack: its file, its engine, its lock, and talking to the user."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from infra.config.values import Platform
from infra.errors import ServestackError
from infra.releases.artefacts import breaking_changes, require_artefacts
from infra.releases.interrupting import end_on_sigterm
from infra.releases.locks import hold_stack
from infra.releases.model_release import ModelRelease
from infra.releases.preview import Preview, preview_lines
from infra.releases.rollout import Plan, StackFile, plan_rollout, read_stack
from infra.releases.workspace import StackEngine
from infra.storage.published import PublishedModels
from tools.engine.environment import stack_file


class RefusedError(ServestackError):
    """The command will not do this; the message says what to do first."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """What every command needs."""

    path: Path
    engine: StackEngine
    say: Callable[[str], None]

    @contextlib.contextmanager
    def changing(self, *, unless: bool = False) -> Iterator[None]:
        """Be the only one who changes the stack, on clean ground; a dry run changes nothing."""
        if unless:
            yield
            return
        with hold_stack(self.engine.home, self.engine.stack):
            end_on_sigterm()
            self.engine.prepare()
            yield

    def read(self) -> StackFile:
        """Read the stack file, as it is now."""
        return read_stack(self.path)

    def outputs(self) -> Mapping[str, Any]:
        """Give what is deployed; a stack that is not up has nothing to release to."""
        outputs = self.deployed()
        if "bucket" not in outputs:
            raise RefusedError(
                f"Stack {self.engine.stack} is not up, so it has no bucket to release from. "
                f"Run: servestack up -s {self.engine.stack}"
            )
        return outputs

    def deployed(self) -> Mapping[str, Any]:
        """Give what is deployed, if anything is."""
        return self.engine.outputs() if self.engine.is_created else {}

    def plan(
        self,
        file: StackFile,
        after: Mapping[str, ModelRelease],
        outputs: Mapping[str, Any],
        also: Sequence[str] = (),
    ) -> Plan:
        """Check that what shall be released stands in the bucket; tell other problems with it."""
        bucket = PublishedModels(outputs["bucket"])
        manifests = require_artefacts(bucket, after, also)
        breaking = breaking_changes(bucket, file.releases, after, manifests)
        return plan_rollout(file, after, manifests, breaking)

    def show(self, plan: Plan) -> None:
        """Show the change in the model's terms."""
        for line in (*plan.changes, *plan.breaking):
            self.say(f"  {line}")

    def preview(self, plan: Plan) -> Preview | None:
        """Show what a plan would do to a shared stack's resources; what cannot be is refused.

        A local stack is the user's own, and there the update itself tells.
        """
        if self.engine.is_local:
            return None
        self.say(f"Previewing stack {self.engine.stack}")
        with tempfile.TemporaryDirectory(prefix="servestack-") as scratch:
            edited = Path(scratch) / self.path.name
            edited.write_bytes(plan.content)
            preview = self.engine.preview(config_file=edited)
        if preview.errors:
            raise RefusedError("\n".join(preview.errors))
        for line in preview_lines(preview):
            self.say(f"  {line}")
        return preview

    def confirm(self, question: str, *, yes: bool, confirmed: str | None = None) -> None:
        """Ask before a shared stack is changed; for a protected one its name has to be given."""
        stack = self.engine.stack
        if self.read().config.protected:
            if confirmed is None and sys.stdin.isatty():
                confirmed = click.prompt(
                    f"{question} It is protected; type its name", default="", err=True
                )
            if confirmed != stack:
                raise RefusedError(
                    f"Stack {stack} is protected, and nothing was changed. To go ahead, give its "
                    f"name: --confirm {stack}"
                )
            return
        if yes or self.engine.is_local:
            return
        if not sys.stdin.isatty():
            raise RefusedError("There is no terminal to ask on. To go ahead without: --yes")
        if not click.confirm(question, err=True):
            raise RefusedError("Nothing was changed.")


def session_for(
    checkout: Path, stack: str, *, say: Callable[[str], None], backend: str | None = None
) -> Session:
    """Find the stack; a name without a file is refused before the engine is looked for."""
    path = stack_file(checkout, stack)
    is_local = read_stack(path).config.platform is Platform.LOCAL
    engine = StackEngine(
        checkout=checkout, stack=stack, is_local=is_local, say=say, backend=backend
    )
    return Session(path=path, engine=engine, say=say)
