"""The steps by which a running server comes from what it serves to what it shall serve. Pure.

The order is that of `infra.serving.labels`; each step is the settings to apply. Local servers and
`hot` ones in a cluster are changed by the same steps.
"""

from dataclasses import replace

from infra.serving.labels import LabelledVersions, label_steps
from infra.serving.settings import ServingSettings


def plan(old: ServingSettings | None, new: ServingSettings) -> list[ServingSettings]:
    """Give the settings to apply, one after the other, each waited for before the next."""
    steps = label_steps(None if old is None else _labelled(old), _labelled(new))
    applied = [
        replace(new, versions=tuple(sorted(step.versions)), labels=step.labels)
        for step in steps[:-1]
    ]
    # Shares name versions, which have to be there first.
    if applied and applied[0].labels != new.labels:
        applied[0] = replace(applied[0], traffic=dict(old.traffic) if old else {})
    return [*applied, new]


def _labelled(settings: ServingSettings) -> LabelledVersions:
    return LabelledVersions(versions=frozenset(settings.versions), labels=dict(settings.labels))
