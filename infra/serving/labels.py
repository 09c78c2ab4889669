"""The order in which labels and versions of a running server may change. Pure.

TF Serving checks a label against the versions that are loaded before it takes up a new file. So the
new versions are loaded first, then the labels move, then the old versions go; and each step is
waited for before the next. Whatever else moves names between versions keeps to the same order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class LabelledVersions:
    """What is served at a time: versions, and names for some of them."""

    versions: frozenset[int]
    labels: Mapping[str, int] = field(default_factory=dict)


def label_steps(
    now: LabelledVersions | None, wanted: LabelledVersions
) -> tuple[LabelledVersions, ...]:
    """Give what to serve, one after the other; `now` is None where nothing is loaded yet.

    Every step is accepted by a server that serves the step before, every label that is there
    before and after is there all the time, and the last step is what is wanted.
    """
    if now == wanted:
        return (wanted,)
    before = now or LabelledVersions(versions=frozenset())
    if dict(wanted.labels).items() <= dict(before.labels).items() or not wanted.versions:
        # No label comes or moves: the server itself loads the new before it drops the old.
        return (wanted,)
    both = before.versions | wanted.versions
    load = LabelledVersions(versions=both, labels=before.labels)
    move = LabelledVersions(versions=both, labels=wanted.labels)
    steps = []
    for step in (load, move, wanted):
        if step != before:
            steps.append(step)
            before = step
    return tuple(steps)
