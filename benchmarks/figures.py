"""From measured points to medians, ratios and tables. Pure.

A ratio is taken within each round, of figures measured seconds apart, and the median of the
rounds is shown: so a machine that is slow for a while does not speak for or against a server.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from load import Point, Protocol

IN_PROCESS: Final = "in process"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What one point is a measurement of."""

    model: str
    server: str
    batching: bool
    protocol: Protocol | None
    clients: int


Rounds = Mapping[Subject, Sequence[Point]]


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """A quotient of two figures in each round; `goal` is the least that is wanted, if any."""

    name: str
    rounds: tuple[float, ...]
    goal: float | None = None

    @property
    def value(self) -> float:
        """Give the median of the rounds."""
        return median(self.rounds)


def rates(rounds: Rounds, subjects: Iterable[Subject]) -> list[float]:
    """Give each round's requests per second, of several subjects the best one's."""
    series = [[point.requests_per_second for point in rounds[subject]] for subject in subjects]
    return [max(each) for each in zip(*series, strict=True)]


def shortest_p99s(rounds: Rounds, subjects: Iterable[Subject]) -> list[float]:
    """Give each round's p99, of several subjects the shortest, leaving out what failed."""
    series = [[point.p99_ms or float("inf") for point in rounds[subject]] for subject in subjects]
    return [min(each) for each in zip(*series, strict=True)]


def ratio(
    name: str, over: Sequence[float], under: Sequence[float], goal: float | None = None
) -> Ratio:
    """Divide round by round."""
    return Ratio(
        name=name, rounds=tuple(a / b for a, b in zip(over, under, strict=True)), goal=goal
    )


def ratio_table(ratios: Sequence[Ratio]) -> str:
    """Write the ratios as Markdown."""
    lines = ["| ratio, median of rounds | value | rounds | goal |", "|---|---:|---|---|"]
    for each in ratios:
        rounds = ", ".join(f"{value:.2f}" for value in each.rounds)
        goal = "" if each.goal is None else f"≥ {each.goal:g}: {_verdict(each)}"
        lines.append(f"| {each.name} | **{each.value:.2f}** | {rounds} | {goal} |")
    return "\n".join(lines)


def rate_table(rounds: Rounds, model: str, protocol: Protocol, clients: Sequence[int]) -> str:
    """Write one model's rates over one protocol as Markdown, a row for each server."""
    lines = [
        "| server | batching | " + " | ".join(f"{count} clients" for count in clients) + " |",
        "|---|---|" + "---:|" * len(clients),
    ]
    rows = dict.fromkeys(
        (subject.server, subject.batching)
        for subject in rounds
        if subject.model == model and subject.protocol == protocol
    )
    for server, batching in sorted(rows, key=lambda row: row[1]):
        cells = [
            _cell(
                rounds.get(
                    Subject(
                        model=model,
                        server=server,
                        batching=batching,
                        protocol=protocol,
                        clients=count,
                    ),
                    (),
                )
            )
            for count in clients
        ]
        lines.append(f"| {server} | {'yes' if batching else 'no'} | {' | '.join(cells)} |")
    return "\n".join(lines)


def as_json(rounds: Rounds) -> list[dict[str, Any]]:
    """Give every point of every round."""
    return [vars(subject) | {"rounds": [vars(p) for p in rounds[subject]]} for subject in rounds]


def failures(rounds: Rounds) -> list[str]:
    """Tell of every request that failed."""
    return [
        f"{subject.server} ({subject.model}, {subject.protocol}, {subject.clients} clients, "
        f"batching {'on' if subject.batching else 'off'}): {point.errors} failed, "
        f"the first with: {point.first_error}"
        for subject, points in rounds.items()
        for point in points
        if point.errors
    ]


def _cell(points: Sequence[Point]) -> str:
    if not points:
        return ""
    rate = median(point.requests_per_second for point in points)
    p50 = median(point.p50_ms for point in points)
    p99 = median(point.p99_ms for point in points)
    return f"{rate:,.0f}/s, p50 {p50:.1f}, p99 {p99:.1f} ms"


def _verdict(each: Ratio) -> str:
    return "met" if each.goal is None or each.value >= each.goal else "missed"
