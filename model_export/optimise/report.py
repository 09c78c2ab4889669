"""What an optimisation says at its end: a table for a person, plain values for a script."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Final

from pydantic import JsonValue

from model_export.optimise.comparison import Difference
from model_export.optimise.optimisation import Figures, Optimised
from model_export.report import size

_NONE: Final = "-"
_Line = tuple[str, str, str, str]


def as_table(result: Optimised) -> str:
    """Give the figures side by side, then what else a reader must know."""
    before, after = result.before, result.after
    lines = [("", "BEFORE", "AFTER", ""), *_figures(before, after)]
    if result.score_name:
        new_score = after.score if after else None
        lines.append((result.score_name, _number(before.score), _number(new_score), ""))
    lines += [
        (f"output {entry.output}", "", _moved(entry), f"of {entry.count} values")
        for entry in result.differences
    ]
    notes = list(result.notes)
    if result.weight_bytes:
        kinds = ", ".join(f"{dtype} {size(count)}" for dtype, count in result.weight_bytes.items())
        notes.insert(0, f"weights: {kinds}")
    how = (
        f"{result.row_count} rows of {result.rows_origin}, signature {result.signature_name}; one "
        f"row at a time, {before.runs} runs on this machine"
    )
    return "\n".join([_columns(lines), how, *(f"Note: {note}" for note in notes)])


def as_json(result: Optimised) -> dict[str, JsonValue]:
    """Give a script everything."""
    plain = asdict(result)
    plain |= {
        "directory": str(result.directory),
        "bundle": str(result.bundle) if result.bundle else None,
        "objective": str(result.objective),
    }
    return plain


def _figures(before: Figures, after: Figures | None) -> list[_Line]:
    def line(name: str, read: Callable[[Figures], float], write: Callable[[float], str]) -> _Line:
        old = read(before)
        if after is None:
            return name, write(old), _NONE, ""
        new = read(after)
        return name, write(old), write(new), f"{new / old:.2f} x"

    return [
        line("size", lambda figures: figures.size_bytes, lambda count: size(int(count))),
        line("load to first answer", lambda figures: figures.load_seconds, _time),
        line("latency p50", lambda figures: figures.latency_p50_seconds, _time),
        line("latency p99", lambda figures: figures.latency_p99_seconds, _time),
    ]


def _moved(entry: Difference) -> str:
    if entry.largest is None:
        return f"{entry.unequal_count} differ"
    return f"moved {entry.mean:.2g}, at most {entry.largest:.2g}"


def _time(seconds: float) -> str:
    if seconds < 1e-3:  # noqa: PLR2004 the unit below
        return f"{seconds * 1e6:.0f} us"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.2f} s"


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.4f}"


def _columns(rows: list[_Line]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
