"""Releases as a person reads them: tables on the terminal, plain documents for scripts. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from infra.releases.history import Release
from infra.releases.model_release import ModelRelease, describe_changes
from infra.releases.status import ModelStatus, answering

_COMMIT_CHARACTERS: Final = 8


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns to their widest cell."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (heads, *rows)
    )


def history_table(releases: Sequence[Release], shown: int | None = None) -> str:
    """Lay out a history, newest first, by what each update changed for the models."""
    rows = [
        [
            str(entry.number),
            f"{entry.started.astimezone():%Y-%m-%d %H:%M}",
            entry.ran_by or entry.author or "-",
            (entry.commit or "-")[:_COMMIT_CHARACTERS],
            changes := _changes(entry, releases[index + 1 :]),
            "withdrawn" if entry.withdrawn else entry.result,
            _said(entry.message, changes),
        ]
        for index, entry in enumerate(releases[:shown])
    ]
    return table(["UPDATE", "WHEN", "WHO", "COMMIT", "MODELS", "RESULT", "MESSAGE"], rows)


def history_document(releases: Sequence[Release]) -> list[dict[str, Any]]:
    """Give a history for a script, newest first."""
    return [
        {
            "update": entry.number,
            "kind": entry.kind,
            "result": entry.result,
            "withdrawn": entry.withdrawn,
            "started": entry.started.isoformat(),
            "ended": entry.ended.isoformat() if entry.ended else None,
            "ran_by": entry.ran_by,
            "author": entry.author,
            "commit": entry.commit,
            "message": entry.message,
            "models": None
            if entry.models is None
            else {name: asdict(release) for name, release in entry.models.items()},
        }
        for entry in releases
    ]


def status_table(statuses: Sequence[ModelStatus]) -> str:
    """Lay out the models of a stack."""
    rows = [
        [
            status.model,
            str(status.configured) if status.configured else "-",
            str(status.deployed) if status.deployed else "-",
            answering(status.states),
            _share(status),
            _replicas(status),
            f"{status.since.astimezone():%Y-%m-%d %H:%M}" if status.since else "-",
            status.rest or "-",
            status.problem or status.unreachable or "ok",
        ]
        for status in statuses
    ]
    heads = [
        "MODEL",
        "CONFIGURED",
        "DEPLOYED",
        "ANSWERS",
        "SHARE",
        "REPLICAS",
        "SINCE",
        "REST",
        "STATE",
    ]
    return table(heads, rows)


def status_document(statuses: Sequence[ModelStatus]) -> list[dict[str, Any]]:
    """Give the models of a stack for a script."""
    return [
        {**asdict(status), "since": status.since.isoformat() if status.since else None}
        for status in statuses
    ]


def _share(status: ModelStatus) -> str:
    return "-" if status.share is None else f"{status.share:g} %"


def _replicas(status: ModelStatus) -> str:
    counts = status.replicas or {}
    if len(counts) == 1:
        return str(*counts.values())
    return ", ".join(f"{version}: {count}" for version, count in counts.items()) or "-"


def _changes(entry: Release, earlier: Sequence[Release]) -> str:
    if entry.kind != "update":
        return f"({entry.kind})"
    if entry.models is None:
        return "(encrypted)"
    before = _models_before(earlier)
    unserved = {name: ModelRelease() for name in entry.models}
    return "; ".join(describe_changes({**unserved, **before}, entry.models)) or "no change"


def _said(message: str, changes: str) -> str:
    """Give the first line that says more than what was done, which the title may repeat."""
    lines = [line for line in message.splitlines() if line.strip()]
    return next((line for line in lines if line != changes), "")


def _models_before(earlier: Sequence[Release]) -> Mapping[str, ModelRelease]:
    for entry in earlier:
        if entry.result == "succeeded" and entry.kind == "destroy":
            return {}
        if entry.result == "succeeded" and entry.kind == "update" and entry.models is not None:
            return entry.models
    return {}
