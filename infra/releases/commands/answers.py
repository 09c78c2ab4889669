"""How commands open a stack, and how they answer: words for a person, JSON for a script."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from infra.releases.rollout import Plan
from infra.releases.session import Session, session_for
from infra.releases.streams import let_go


def tell(line: str) -> None:
    """Tell on stderr what happens; that nobody reads it any more ends no change half-way."""
    try:
        click.echo(line, err=True)
    except OSError:
        let_go(sys.stderr)


def open_stack(stack: str, *, backend: str | None = None) -> Session:
    """Find the stack's file; what happens meanwhile is told on stderr."""
    return session_for(
        project_directory(),
        stack,
        say=tell,
        backend=backend,
    )


def project_directory() -> Path:
    """Find the project as the engine does, in this directory or above; else take our own."""
    here = Path.cwd()
    places = (place for place in (here, *here.parents) if (place / "Pulumi.yaml").is_file())
    return next(places, Path(__file__).resolve().parents[3])


def answer_plan(plan: Plan, result: str, outputs: Mapping[str, Any], *, as_json: bool) -> None:
    """Say what became of a plan, model by model."""
    before = plan.file.releases
    if as_json:
        print_json(
            {
                "result": result,
                "changes": {
                    name: {"from": asdict(before[name]), "to": asdict(release)}
                    for name, release in plan.after.items()
                    if release != before[name]
                },
                "models": outputs.get("models", {}),
            }
        )
        return
    for name, release in plan.after.items():
        words = {
            "nothing to do": f"{name} {release}: serves already, nothing to do",
            "dry run": f"{name}: would be {release}; nothing was changed",
            "written": f"{name} {release}: written to {plan.file.path.name}; "
            f"to bring the stack to it: servestack up -s {plan.file.stack}",
        }
        address = (outputs.get("models", {}).get(name) or {}).get("rest")
        at = f", {address}" if address else ""
        words["aborted"] = f"{name}: the trial is over; {release.version} serves everybody{at}"
        click.echo(words.get(result) or f"{name} {release}: {result}{at}")
    if not plan.after:
        click.echo("Everything is as it was then: nothing to do")


def print_json(document: Any) -> None:
    """Write a document for a script."""
    click.echo(json.dumps(document, indent=2, default=str))
