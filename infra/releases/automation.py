"""A stack of Pulumi's Automation API, on the engine that this project pins.

Owns which engine runs, in which environment, and in whose name. `pulumi.automation` is imported on
first use, because it takes most of a second.
"""

import getpass
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.releases.errors import OperationFailedError
from infra.releases.history import AGENT_PREFIX
from tools.engine.acquire import ensure_engine
from tools.engine.environment import engine_environment
from tools.engine.errors import EngineError
from tools.engine.invocation import ensure_local_stack

if TYPE_CHECKING:
    from pulumi.automation import Stack

# What the user's own environment was: each engine makes this process's the environment of its
# stack, and a second one must not take over from the first.
_ENVIRON: Final = dict(os.environ)
_UPDATES: Final = frozenset({"up", "refresh", "destroy"})
# By whom a job was started, where there is nobody at the machine.
_STARTED_BY: Final = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN")


def automation_stack(
    checkout: Path, stack: str, *, is_local: bool, backend: str | None, say: Callable[[str], None]
) -> "Stack":
    """Make the engine ready, and this process's environment the stack's own.

    The Automation API runs the engine with this process's environment below what it is given, so a
    variable that a local stack must not see has to go from here.
    """
    try:
        engine = ensure_engine(environ=_ENVIRON, progress=say)
    except EngineError as error:
        raise OperationFailedError(str(error)) from error
    environment = engine_environment(
        checkout=checkout,
        stack_is_local=is_local,
        engine=engine,
        environ=_ENVIRON | ({"PULUMI_BACKEND_URL": backend} if backend else {}),
    )
    os.environ.clear()
    os.environ.update(environment)
    if is_local:
        try:
            ensure_local_stack(checkout, stack, engine, environment)
        except EngineError as error:
            raise OperationFailedError(str(error)) from error
    # Here, because they take most of a second.
    from pulumi import automation  # noqa: PLC0415
    from pulumi.automation._stack import StackInitMode  # noqa: PLC0415
    from semver import VersionInfo  # noqa: PLC0415

    class KnownEngine(automation.PulumiCommand):
        """The engine that was just made sure of: nobody has to ask for its version again."""

        def __init__(self) -> None:  # its own would start the engine for nothing else
            self.command = "pulumi"
            self.version = VersionInfo.parse(engine.version.removeprefix("v"))

        def run(self, args: list[str], *rest: Any, **more: Any) -> automation.CommandResult:
            """Let the history tell who ran an update."""
            agent = ["--exec-agent", AGENT_PREFIX + whoever()] if args[0] in _UPDATES else []
            return super().run([*map(_as_utf8, [args[0], *agent, *args[1:]])], *rest, **more)

    class NamedStack(automation.Stack):
        """A stack that is not selected: that would move what a plain `pulumi up` means."""

        def __init__(self, name: str, workspace: automation.Workspace) -> None:
            self.name = name
            self.workspace = workspace
            self._mode = StackInitMode.SELECT

    return NamedStack(
        stack,
        automation.LocalWorkspace(work_dir=str(checkout), pulumi_command=KnownEngine()),
    )


def whoever() -> str:
    """Name who runs this: who started the job, or the user and the machine."""
    starters = (_ENVIRON[name] for name in _STARTED_BY if _ENVIRON.get(name))
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container's user may have no name.
        user = str(os.getuid())
    return next(starters, f"{user}@{platform.node()}")


def _as_utf8(argument: str) -> str:
    """Word an argument so that the engine gets UTF-8, whatever this process's locale is."""
    return os.fsdecode(argument.encode(errors="surrogateescape"))
