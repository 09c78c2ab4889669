"""The `model-export` command: texts in, one call of the package, one clear answer out.

Owns exit codes: 0 done, 1 the operation failed, 2 the request was refused. Each command has its
words in a module of its own, which is imported when the command is asked for.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import click

from model_export.errors import ModelExportError, RefusedError

_INTERRUPTED: Final = 130
# Each command's module and what it does, in the order of use.
_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "export": ("cli_export", "Write a model as a SavedModel with explicit signatures."),
    "inspect": ("cli_inspect", "Tell what a SavedModel is."),
    "diff": ("cli_inspect", "Tell what changes for a client between two models."),
    "validate": ("cli_validate", "Load a model as a server does, and run it."),
    "optimise": ("cli_optimise", "Make a model smaller or faster, and measure both."),
    "publish": ("cli_publish", "Make a new version of a SavedModel in a store."),
    "list": ("cli_list", "List the versions in a store."),
    "show": ("cli_list", "Tell what one version is."),
    "fetch": ("cli_fetch", "Copy a version out of a store."),
    "archive": ("cli_archive", "Put a version into one model.tar.gz, for SageMaker."),
    "verify": ("cli_keeping", "Compare a version with its manifest and signature."),
    "gc": ("cli_keeping", "Remove old versions, and what was never finished."),
    "delete": ("cli_keeping", "Remove one version for good."),
    "predict": ("cli_predict", "Ask a model."),
    "batch": ("cli_batch", "Ask a model about a whole file."),
    "transform": ("cli_transform", "Have SageMaker predict a whole file."),
    "job": ("cli_job", "Have Vertex AI predict whole files."),
}


class _Commands(click.Group):
    """Imports the command that is asked for, and answers with one line what went wrong."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module = import_module(f"model_export.{_COMMANDS[name][0]}")
        command: click.Command = getattr(module, f"{name}_command")
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, said) for name, (_, said) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModelExportError as error:
            click.echo(f"model-export: {error}", err=True)
            ctx.exit(2 if isinstance(error, RefusedError) else 1)
        except KeyboardInterrupt:
            click.echo("model-export: interrupted", err=True)
            ctx.exit(_INTERRUPTED)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # Nobody reads on: click ends without a word.
            place = error.filename or "What was done could not be told"
            click.echo(f"model-export: {place}: {error.strerror or error}", err=True)
            if error.filename is None:
                # The interpreter would fail at its end on what is still to be written.
                with contextlib.suppress(OSError):
                    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(1)
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else ctx.command_path
            said = error.format_message().rstrip(".")
            click.echo(f"{command}: {said}. ({command} --help tells more.)", err=True)
            ctx.exit(error.exit_code)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Publish SavedModels as immutable, numbered versions, and ask the servers that serve them.

    \b
    model-export export heart.keras --output build/heart
    model-export inspect build/heart
    model-export validate build/heart
    model-export publish build/heart --model heart --store ./bucket --metric accuracy=0.87
    model-export list --store ./bucket
    model-export show --model heart --version 2 --store ./bucket
    model-export fetch ./heart-2 --model heart --version 2 --store gs://models
    model-export archive --model heart --version 2 --store s3://models
    model-export verify --model heart --version 2 --store ./bucket
    model-export gc --model heart --store ./bucket --keep 5 --in-use 2 --dry-run
    model-export predict '[…]' --endpoint http://127.0.0.1:8501/v1/models/heart
    model-export batch --input rows.csv --output out.jsonl --endpoint …
    """  # noqa: D301 click's mark for lines to leave as they are


if __name__ == "__main__":
    main()
