"""Pausing a stack and bringing it back: one line of its file, and an update.

What a paused stack has less is decided where its platform is declared; what goes on costing is told
here. The file is written before the update and stays so: a pause that was cut off is run again.
"""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.config.model import StackConfig
from infra.config.values import Platform
from infra.errors import ServestackError
from infra.releases.errors import OperationFailedError
from infra.releases.preview import preview_lines
from infra.releases.session import RefusedError, Session
from infra.releases.stack_file import with_paused, write_over


def what_stays(config: StackConfig) -> Iterator[str]:
    """Say what a paused stack goes on costing."""
    match config.platform:
        case Platform.GCP:
            yield "the bucket, by what is in it"
            own = config.cluster is not None and config.cluster.existing is None
            if own:
                yield "the cluster's control plane, by the hour"
            if own and config.gcp.network is None:
                yield "the network's way out, by the hour"
        case Platform.AWS:
            yield "the bucket, by what is in it"
            if config.cluster is not None and config.cluster.existing is None:
                yield "the cluster's control plane and its network's way out, by the hour"
        case Platform.KUBERNETES:
            yield "the cluster's nodes, which are not the stack's"
        case Platform.LOCAL:
            yield "the versions in the bucket, which take their space"


def change_pause(
    session: Session, *, paused: bool, message: str | None, yes: bool, confirmed: str | None
) -> Mapping[str, Any]:
    """Pause the stack, or bring it back; give its outputs."""
    stack, word = session.engine.stack, "pause" if paused else "resume"
    file = session.read()
    content = with_paused(file.content, paused=paused, name=file.path.name)
    _preview(session, content)
    session.confirm(f"{word.capitalize()} stack {stack}?", yes=yes, confirmed=confirmed)
    if content != file.content:
        write_over(file.path, expected=file.content, content=content)
    try:
        return session.engine.up(message or f"{word.capitalize()} the stack")
    except ServestackError as error:
        raise OperationFailedError(
            f"{error}\n{file.path.name} says so already; to go on: servestack {word} -s {stack}"
        ) from error


def _preview(session: Session, content: bytes) -> None:
    """Show what a shared stack would lose or get; of a local one the update itself tells."""
    if session.engine.is_local:
        return
    session.say(f"Previewing stack {session.engine.stack}")
    with tempfile.TemporaryDirectory(prefix="servestack-") as scratch:
        edited = Path(scratch) / session.path.name
        edited.write_bytes(content)
        preview = session.engine.preview(config_file=edited)
    if preview.errors:
        raise RefusedError("\n".join(preview.errors))
    for line in preview_lines(preview):
        session.say(f"  {line}")
