"""The `model-export` command: texts in, one call of the package, one clear answer out.

Owns exit codes: 0 done, 1 the operation failed, 2 the request was refused. Each command has its
words in a module of its own, which is imported when the command is asked for.
"""

from importlib import import_module
from typing import Any, Final

import click

from model_export.errors import ModelExportError, RefusedError

_INTERRUPTED: Final = 130
_COMMANDS: Final = {
    "archive": "cli_archive",
    "batch": "cli_batch",
    "delete": "cli_keeping",
    "diff": "cli_inspect",
    "export": "cli_export",
    "fetch": "cli_fetch",
    "gc": "cli_keeping",
    "inspect": "cli_inspect",
    "job": "cli_job",
    "list": "cli_list",
    "optimise": "cli_optimise",
    "predict": "cli_predict",
    "publish": "cli_publish",
    "show": "cli_list",
    "transform": "cli_transform",
    "validate": "cli_validate",
    "verify": "cli_keeping",
}


class _Commands(click.Group):
    """Imports the command that is asked for, and answers with one line what went wrong."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module = import_module(f"model_export.{_COMMANDS[name]}")
        command: click.Command = getattr(module, f"{name}_command")
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModelExportError as error:
            click.echo(f"model-export: {error}", err=True)
            ctx.exit(2 if isinstance(error, RefusedError) else 1)
        except KeyboardInterrupt:
            click.echo("model-export: interrupted", err=True)
            ctx.exit(_INTERRUPTED)
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
