"""The options that several commands share, word for word."""

from pathlib import Path
from typing import Final

import click


def _reason(_ctx: click.Context, _param: click.Parameter, text: str | None) -> str | None:
    if text is not None and not text.strip():
        raise click.BadParameter("write why; the history keeps it")
    return text.strip() if text else None


# Absolute, because the engine would look below the project and not where the user stands.
POLICY_PACK: Final = click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path)
STACK: Final = click.option(
    "-s", "--stack", default="local", show_default=True, metavar="NAME", help="Pulumi.NAME.yaml."
)
JSON: Final = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
YES: Final = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
DRY_RUN: Final = click.option("--dry-run", is_flag=True, help="Check and show, change nothing.")
MESSAGE: Final = click.option(
    "-m", "--message", metavar="TEXT", help="What the history shall say of it."
)
CONFIRM: Final = click.option(
    "--confirm", "confirmed", metavar="NAME", help="The stack's name again, if it is protected."
)
WITHOUT_POLICIES: Final = click.option(
    "--without-policies",
    "without_policies",
    callback=_reason,
    metavar="REASON",
    help="Go back even where a policy forbids it; the history says so, and why.",
)
