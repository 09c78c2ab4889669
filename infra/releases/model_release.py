"""What a release is about: a model's version, its canary and its labels.

Pure. Everything else in a stack file is infrastructure or serving, which a release leaves alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from infra.config.model import ModelConfig


@dataclass(frozen=True, kw_only=True)
class Canary:
    """A second version, and the percentage of the requests that it takes."""

    version: int
    share: int


@dataclass(frozen=True, kw_only=True)
class ModelRelease:
    """Which versions of one model serve; no version means that the model is only declared."""

    version: int | Literal["latest"] | None = None
    canary: Canary | None = None
    labels: Mapping[str, int] = field(default_factory=dict)

    @property
    def pinned_versions(self) -> tuple[int, ...]:
        """Every version that this release needs from the bucket."""
        canary = [self.canary.version] if self.canary else []
        stable = [self.version] if isinstance(self.version, int) else []
        return tuple(sorted({*stable, *canary, *self.labels.values()}))

    def __str__(self) -> str:
        words = ["not served" if self.version is None else str(self.version)]
        if self.canary:
            words.append(f"canary {self.canary.version} at {self.canary.share} %")
        words += [f"{label} = {version}" for label, version in sorted(self.labels.items())]
        return ", ".join(words)


def release_of(model: ModelConfig) -> ModelRelease:
    """Take what a release is about out of a model's configuration."""
    canary = model.canary
    return ModelRelease(
        version=model.version,
        canary=Canary(version=canary.version, share=canary.share) if canary else None,
        labels=dict(model.labels),
    )


def ended(release: ModelRelease, *, survivor: int) -> ModelRelease:
    """End a trial: one version serves, and every label names it, so that no client is left."""
    labels = dict.fromkeys(release.labels, survivor)
    return ModelRelease(version=survivor, canary=None, labels=labels)


def describe_changes(
    before: Mapping[str, ModelRelease], after: Mapping[str, ModelRelease]
) -> list[str]:
    """Say each change in the model's terms: `heart: 1 → 2`."""
    return [
        f"{model}: {before[model]} → {release}"
        for model, release in after.items()
        if before[model] != release
    ]
