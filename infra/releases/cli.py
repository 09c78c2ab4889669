"""The `servestack` command: words in, one operation, one clear answer out.

Owns which commands there are, and exit codes: 0 done, 1 the operation failed, 2 the request was
refused. A command's module is imported when it is asked for, so that `--help` is quick.
"""

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

import click

from infra.errors import ServestackError
from infra.releases.errors import OperationFailedError
from infra.releases.streams import let_go

_INTERRUPTED: Final = 130
_INTERRUPTION: Final = "servestack: interrupted"
# Each command's name, which is its module's below `infra.releases.commands`, in the order of use.
_COMMANDS: Final[Mapping[str, str]] = {
    "up": "Bring the stack to what its file says.",
    "release": "Serve other versions.",
    "canary": "Tell where trials stand, and follow the automatic ones.",
    "promote": "Give a canary its next share, or all of the traffic.",
    "abort": "End a trial: the stable version serves everybody.",
    "watch": "Release what is published, by each model's policy.",
    "promote-env": "Bring what serves in one environment to another.",
    "rollback": "Go back to an earlier release.",
    "history": "List what was released when, and by whom.",
    "status": "Tell what is configured, deployed and answering.",
    "report": "Tell what a change means for the models, for a pull request.",
    "affected": "List the stacks that a change may touch.",
    "cost": "Estimate what the stack costs in a month.",
    "pause": "Take everything that costs down to its floor.",
    "resume": "Bring a paused stack back.",
    "bucket": "Print the URL of the stack's bucket.",
}


class _Commands(click.Group):
    """Answers with a message and an exit code, never with a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - likewise
        if cmd_name not in _COMMANDS:
            return None
        with _ending_at_once():
            module = import_module(f"infra.releases.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - likewise
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ServestackError as error:
            click.echo(f"servestack: {error}", err=True)
            ctx.exit(1 if isinstance(error, OperationFailedError) else 2)
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else ctx.command_path
            said = error.format_message().rstrip(".")
            click.echo(f"{command}: {said}. ({command} --help tells more.)", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo(_INTERRUPTION, err=True)
            ctx.exit(_INTERRUPTED)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # Nobody reads on: click ends without a word.
            place = error.filename or "What was done could not be told"
            click.echo(f"servestack: {place}: {error.strerror or error}", err=True)
            if error.filename is None:
                let_go(sys.stdout)
            ctx.exit(1)


@contextlib.contextmanager
def _ending_at_once() -> Iterator[None]:
    """End on an interrupt without raising it: some of what is imported here would swallow it."""

    def end(*_: object) -> None:
        os.write(sys.stderr.fileno(), f"{_INTERRUPTION}\n".encode())
        os._exit(_INTERRUPTED)

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="servestack")
def main() -> None:
    """Release versions of TensorFlow models to a stack, and roll them back.

    \b
    servestack up                       bring the stack to what its file says
    servestack release heart=2          serve version 2 of heart
    servestack release heart=3 --canary 10
    servestack rollback                 back to the last good different release
    servestack history                  what was released when, and by whom
    servestack status                   configured, deployed, answering
    servestack pause                    no server and no node until `servestack resume`

    A release is one line of Pulumi.NAME.yaml and one `pulumi up`; the stack's history is the
    release history.
    """  # noqa: D301 - click's mark for lines to leave as they are


if __name__ == "__main__":
    sys.exit(main())
