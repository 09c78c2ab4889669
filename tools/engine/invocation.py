"""`./scripts/pulumi ARGS…`: the engine's own command line, on the right state.

It owns which stack is meant, and that a local stack exists before it is used. Everything else is
Pulumi's: the process is replaced by it, so signals, the terminal and the exit code are its own.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

from tools.engine.acquire import Engine, ensure_engine
from tools.engine.environment import (
    NO_PLACE_FOR_STATE,
    backend_is_known,
    engine_environment,
    is_local_stack,
    stack_file,
    state_directory,
)
from tools.engine.errors import EngineError, EngineUsageError
from tools.engine.progress import end_in_order_on_sigterm, say

DEFAULT_STACK = "local"
CHECKOUT = Path(__file__).parents[2]
# What makes no sense for a stack without a file; the other commands may well be there to make one.
NEEDS_STACK_FILE = {"up", "update", "preview", "pre", "refresh", "destroy", "down"}
# These are about the user's own place; a local stack needs no login.
ABOUT_A_LOGIN = {"login", "logout"}
# These take the stack's name as it is, and these of their options have a value after them.
NAMING_A_STACK = {"init", "rm", "select"}
WITH_VALUE = {"--color", "--copy-config-from", "--cwd", "-C", "--secrets-provider", "--teams"}


def named_stack(arguments: Sequence[str]) -> str | None:
    """Return the stack that pulumi's arguments name, if any."""
    if arguments[:1] == ["stack"] and {*arguments[1:2]} <= NAMING_A_STACK:
        for before, argument in pairwise(arguments[1:]):
            if not argument.startswith("-") and before not in WITH_VALUE:
                return argument
    for position, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument in {"-s", "--stack"}:
            return arguments[position + 1] if position + 1 < len(arguments) else None
        if argument.startswith("--stack="):
            return argument.removeprefix("--stack=")
        if argument.startswith("-s") and not argument.startswith("--"):
            return argument.removeprefix("-s").removeprefix("=")
    return None


def refuse_unknown_stack(checkout: Path, stack: str, arguments: Sequence[str]) -> None:
    """Stop a mistyped name before the engine asks for the login of some other backend."""
    if stack_file(checkout, stack).exists() or NEEDS_STACK_FILE.isdisjoint(arguments[:1]):
        return
    known = sorted(
        file.name.removeprefix("Pulumi.").removesuffix(".yaml")
        for file in checkout.glob("Pulumi.*.yaml")
    )
    raise EngineUsageError(
        f"Unknown stack {stack!r}: there is no {stack_file(checkout, stack).name}. "
        f"Stacks here: {', '.join(known) or 'none'}."
    )


def refuse_unknown_state(
    checkout: Path, arguments: Sequence[str], environ: Mapping[str, str]
) -> None:
    """Stop where, with nobody to ask, the engine would want the login of one place alone."""
    wants_state = not NEEDS_STACK_FILE.isdisjoint(arguments[:1])
    if wants_state and not backend_is_known(checkout, environ):
        raise EngineUsageError(NO_PLACE_FOR_STATE)


def ensure_local_stack(
    checkout: Path, stack: str, engine: Engine, environment: Mapping[str, str]
) -> None:
    """Create a local stack that is not there yet."""
    state = state_directory(checkout, environment)

    def exists() -> bool:
        return any(state.glob(f".pulumi/stacks/*/{stack.rsplit('/', 1)[-1]}.json*"))

    if exists():
        return
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(
            f"The state of stack {stack!r} cannot be kept in {state}: {error.strerror}. "
            "Choose another directory with SERVESTACK_HOME."
        ) from error
    created = subprocess.run(  # noqa: S603 -- the engine that was just made sure of
        [engine.pulumi, "stack", "select", "--create", "--stack", stack, "--non-interactive"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    # Another command may have been faster.
    if created.returncode != 0 and not exists():
        raise EngineError(created.stderr.strip())


def main(arguments: Sequence[str]) -> NoReturn:
    """Become pulumi."""
    end_in_order_on_sigterm()
    stack = named_stack(arguments) or os.environ.get("PULUMI_STACK") or DEFAULT_STACK
    try:
        local = ABOUT_A_LOGIN.isdisjoint(arguments[:1]) and is_local_stack(CHECKOUT, stack)
        refuse_unknown_stack(CHECKOUT, stack, arguments)
        engine = ensure_engine(environ=os.environ, progress=say)
        environment = engine_environment(
            checkout=CHECKOUT, stack_is_local=local, engine=engine, environ=os.environ
        )
        environment["PULUMI_STACK"] = stack
        if local:
            ensure_local_stack(CHECKOUT, stack, engine, environment)
        elif not sys.stdin.isatty():
            refuse_unknown_state(CHECKOUT, arguments, os.environ)
    except EngineError as error:
        say(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    os.chdir(CHECKOUT)
    os.execve(engine.pulumi, [str(engine.pulumi), *arguments], environment)  # noqa: S606 -- that is what this is for


if __name__ == "__main__":
    main(sys.argv[1:])
