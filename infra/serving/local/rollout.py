"""The steps by which a running server comes from what it serves to what it shall serve. Pure.

TF Serving loads a new version before it drops the old one, so a plain change of version is one
step. Labels need more: a label is checked against the versions loaded before the new file, so the
new versions are loaded first, then the labels move, then the old versions go.
"""

from dataclasses import replace

from infra.serving.settings import ServingSettings


def plan(old: ServingSettings | None, new: ServingSettings) -> list[ServingSettings]:
    """Give the settings to apply, one after the other, each waited for before the next."""
    if not new.labels or not new.versions:
        return [new]
    versions = new.versions
    labels_before = dict(old.labels) if old else {}
    traffic_before = dict(old.traffic) if old else {}
    if old:
        versions = tuple(sorted({*old.versions, *new.versions}))
    load = replace(new, versions=versions, labels=labels_before, traffic=traffic_before)
    move = replace(new, versions=versions)
    steps = [load, move, new]
    applied = old
    needed = []
    for step in steps:
        if step != applied:
            needed.append(step)
            applied = step
    return needed or [new]
