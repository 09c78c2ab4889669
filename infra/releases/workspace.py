"""One stack under the engine: a thin layer over Pulumi's Automation API.

Owns what the engine is asked, what it says, and what a killed run left behind. It knows nothing of
models; `pulumi.automation` is imported on first use, because it takes most of a second.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.releases.adoption import adopted
from infra.releases.automation import automation_stack
from infra.releases.engine_log import EngineLog, drift_of
from infra.releases.errors import OperationFailedError, UpdateRunningError
from infra.releases.interrupting import interruptible
from infra.releases.locks import clear_stale_locks, file_backend
from infra.releases.preview import Preview, preview_of_events
from infra.releases.remedies import where_state_lives
from infra.releases.state import (
    PendingOperation,
    pending_operations,
    require_resolvable,
    stack_outputs,
    stack_resources,
)
from tools.engine.environment import home_directory, state_directory

if TYPE_CHECKING:
    from pulumi.automation import Stack

Say = Callable[[str], None]
_STACK_TYPE: Final = "pulumi:pulumi:Stack"


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What an update would change: how much, and what the preview told of it."""

    count: int
    preview: Preview


@dataclass(frozen=True, kw_only=True)
class StackEngine:
    """The engine on one stack of this checkout."""

    checkout: Path
    stack: str
    is_local: bool
    say: Say
    # Where the state is, if it is not where the user's environment says.
    backend: str | None = None

    @cached_property
    def home(self) -> Path:
        """Give the directory of what this project writes on this machine."""
        return home_directory(self.checkout, os.environ)

    @cached_property
    def _automation(self) -> "Stack":
        return automation_stack(
            self.checkout,
            self.stack,
            is_local=self.is_local,
            backend=self.backend,
            say=self.say,
        )

    @property
    def is_created(self) -> bool:
        """Tell whether the stack was ever made, without making a local one."""
        if not self.is_local:
            return self._state is not None
        state = state_directory(self.checkout, os.environ)
        return any(state.glob(f".pulumi/stacks/*/{self.stack}.json*"))

    def prepare(self) -> None:
        """Make the stack if it is not there, and clear away what a killed update left."""
        _ = self._automation
        if (state := file_backend(os.environ)) is not None:
            clear_stale_locks(
                state, self.stack, say=self.say, cancel=lambda: self._engine("cancel", "--yes")
            )
        deployment = self._state
        if deployment is None:
            # Not selected: that would move what a plain `pulumi up` means.
            self._engine("stack", "init", "--no-select")
            self._forget_state()
            return
        pending = pending_operations(deployment)
        if not pending:
            return
        if not self.is_local:
            require_resolvable(self._adopt(deployment), self.stack)
        self.say(
            f"An earlier update was interrupted ({', '.join(map(str, pending))}); "
            "looking at what is really there"
        )
        with self._reported("refresh") as log:
            interruptible(
                lambda: self._automation.refresh(
                    on_event=self._listener(log), clear_pending_creates=True, show_secrets=False
                ),
                say=self.say,
            )

    def _adopt(self, deployment: Mapping[str, Any]) -> tuple[PendingOperation, ...]:
        """Take over what was being created and is known by its name; give what is left."""
        known = adopted(deployment)
        if known is None:
            return pending_operations(deployment)
        with tempfile.TemporaryDirectory(prefix="servestack-") as scratch:
            document = Path(scratch) / "state.json"
            document.write_text(json.dumps(known))
            self._engine("stack", "import", "--stack", self.stack, "--file", str(document))
        self._forget_state()
        return pending_operations(known)

    def preview(
        self, *, config_file: Path | None = None, policy_packs: Sequence[str] = ()
    ) -> Preview:
        """Preview what the stack file would change, or another file in its place.

        A mistake in the configuration, and a policy that forbids it, are in the preview.
        """
        from pulumi.automation import CommandError  # noqa: PLC0415 - see the module's docstring

        events: list[Any] = []
        log = EngineLog()

        def listen(event: Any) -> None:
            events.append(event)
            log.take(event)

        try:
            self._automation.preview(
                refresh=True,
                on_event=listen,
                config_file=str(config_file) if config_file else None,
                policy_packs=[*policy_packs],
            )
        except CommandError as error:
            forbids = any(event.policy_event is not None for event in events)
            if not log.errors and not forbids:
                raise OperationFailedError(_stderr(error)) from None
            # That a preview fails is no news where a policy says why.
            errors = log.own_reasons if forbids else log.reasons
            return preview_of_events(events, asked_policies=bool(policy_packs), errors=errors)
        return preview_of_events(events, asked_policies=bool(policy_packs))

    def preview_changes(self, policy_packs: Sequence[str] = ()) -> Changes:
        """Find what `up` would change, after looking at what is really there.

        That is resources, and outputs where only these are not what they should be: an update that
        was killed at its very end has made all the former and written none of the latter.
        """
        events: list[Any] = []
        outputs: list[bool] = []

        def listen(event: Any) -> None:
            events.append(event)
            tell(event)
            found = event.res_outputs_event
            if found is not None and found.metadata.type == _STACK_TYPE:
                outputs.append(_outputs(found.metadata.old) != _outputs(found.metadata.new))

        with self._reported("preview") as log:
            # Of a local stack the update itself tells, without a question in between.
            tell = log.take if self.is_local else self._listener(log)
            result = interruptible(
                lambda: self._automation.preview(
                    refresh=True, on_event=listen, policy_packs=[*policy_packs]
                ),
                say=self.say,
            )
        count = any(outputs) + sum(
            count
            for operation, count in result.change_summary.items()
            if str(getattr(operation, "value", operation)) not in {"same", "read", "refresh"}
        )
        preview = preview_of_events(events, asked_policies=bool(policy_packs))
        return Changes(count=count, preview=preview)

    def drift(self) -> list[str]:
        """Say of each resource what it is now that it was not when it was deployed."""
        drifted: list[str] = []

        def listen(event: Any) -> None:
            log.take(event)
            if (line := drift_of(event)) is not None:
                drifted.append(line)

        with self._reported("look at what is really there") as log:
            self._automation.preview_refresh(on_event=listen, show_secrets=False)
        return drifted

    def up(self, message: str | None, policy_packs: Sequence[str] = ()) -> Mapping[str, Any]:
        """Bring the stack to what its file says; give the outputs.

        Without a message the engine takes the title of the last commit.
        """
        with self._reported("update") as log:
            result = interruptible(
                lambda: self._automation.up(
                    refresh=True,
                    message=message,
                    on_event=self._listener(log),
                    show_secrets=False,
                    policy_packs=[*policy_packs],
                ),
                say=self.say,
            )
        return {key: output.value for key, output in result.outputs.items()}

    def outputs(self) -> Mapping[str, Any]:
        """Give the outputs of the last update; none where the stack was never made."""
        return {} if self._state is None else stack_outputs(self._state)

    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        """Give what was asked for of each deployed resource, by its URN."""
        return {} if self._state is None else stack_resources(self._state)

    def history(self) -> str:
        """Give the whole history as the engine's JSON document."""
        return self._asked("stack", "history", "--json", "--page-size", "0") or "[]"

    @cached_property
    def _state(self) -> Mapping[str, Any] | None:
        """Give the state, asked for once until it changes: each question starts the engine."""
        document = self._asked("stack", "export")
        return None if document is None else json.loads(document)

    def _forget_state(self) -> None:
        self.__dict__.pop("_state", None)

    def _asked(self, *arguments: str) -> str | None:
        """Ask about the stack; None where there is none of its name."""
        from pulumi.automation import StackNotFoundError  # noqa: PLC0415 - as below

        try:
            return self._engine(*arguments)
        except OperationFailedError as error:
            if isinstance(error.__cause__, StackNotFoundError):
                return None
            raise

    def _engine(self, *arguments: str) -> str:
        from pulumi.automation import CommandError  # noqa: PLC0415 - see the module's docstring

        try:
            return self._automation._run_pulumi_cmd_sync([*arguments]).stdout  # noqa: SLF001 - no public door gives the CLI's JSON whole
        except CommandError as error:
            raise OperationFailedError(_stderr(error)) from error

    def _listener(self, log: EngineLog) -> Callable[[Any], None]:
        def listen(event: Any) -> None:
            line = log.take(event)
            if line is not None:
                self.say(line)

        return listen

    @contextlib.contextmanager
    def _reported(self, operation: str) -> Iterator[EngineLog]:
        """Tell the engine's own errors once, whatever way it ends."""
        from pulumi.automation import CommandError, ConcurrentUpdateError  # noqa: PLC0415 - as above

        log = EngineLog()
        try:
            yield log
        except ConcurrentUpdateError as error:
            raise UpdateRunningError(
                f"Stack {self.stack} is being changed by somebody else right now, so this "
                f"{operation} was refused. Wait for its end, then run this again. Only if its "
                f"update was killed for certain: ./scripts/pulumi cancel -s {self.stack}\n"
                f"{_stderr(error)}"
            ) from None
        except CommandError as error:
            raise OperationFailedError(
                f"The {operation} of stack {self.stack} failed:\n{log.reason or _stderr(error)}"
            ) from None
        finally:
            self._forget_state()


def _outputs(side: Any) -> Mapping[str, Any]:
    return (side.outputs if side else None) or {}


def _stderr(error: Exception) -> str:
    # The Automation API's errors carry the command's result as text only.
    told = str(error).partition("\n stderr: ")[2].strip().removeprefix("error: ")
    return where_state_lives(told)
