"""What a change means for a stack's models, as a value: for a pull request, or for a desk. Pure.

Takes both configurations and, where it could be made, the preview. `markdown` gives it words.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from infra.config.model import ModelConfig, StackConfig
from infra.config.values import Platform
from infra.cost.estimate import Estimate, estimate
from infra.cost.usage import Resources
from infra.releases.model_release import ModelRelease, release_of
from infra.releases.preview import Preview

_BUCKETS = ("gcp:storage/bucket:Bucket", "aws:s3/bucket:Bucket")


@dataclass(frozen=True, kw_only=True)
class ModelChange:
    """One model, before and after; a side is None where the stack has not the model."""

    model: str
    before: ModelConfig | None
    after: ModelConfig | None

    @property
    def release_before(self) -> ModelRelease:
        """Give what served."""
        return release_of(self.before) if self.before else ModelRelease()

    @property
    def release_after(self) -> ModelRelease:
        """Give what shall serve."""
        return release_of(self.after) if self.after else ModelRelease()

    @property
    def is_released(self) -> bool:
        """Tell whether versions, shares or labels change."""
        return self.release_before != self.release_after

    @property
    def is_changed(self) -> bool:
        """Tell whether anything of the model changes."""
        return self.before != self.after


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that is told of one stack's change.

    `unread` says of what could not be found out why; `preview` is None where there could be none.
    """

    stack: str
    config: StackConfig | None
    models: tuple[ModelChange, ...]
    breaking: tuple[str, ...] = ()
    preview: Preview | None = None
    cost_before: Estimate | None = None
    cost_after: Estimate | None = None
    unread: tuple[str, ...] = ()

    @property
    def is_forbidden(self) -> bool:
        """Tell whether this change cannot be deployed as it is."""
        preview = self.preview
        if preview is None:
            return False
        mandatory = any(found.level == "mandatory" for found in preview.policies or ())
        return bool(preview.errors) or mandatory


def make_report(
    stack: str,
    *,
    before: StackConfig | None,
    after: StackConfig | None,
    preview: Preview | None = None,
    before_resources: Resources | None = None,
    breaking: Sequence[str] = (),
    unread: Sequence[str] = (),
) -> Report:
    """Compare the two sides."""
    return Report(
        stack=stack,
        config=after or before,
        models=tuple(_models(before, after)),
        breaking=tuple(breaking),
        preview=preview,
        cost_before=_cost(before or after, before_resources),
        cost_after=_cost(after, preview.resources if preview else None),
        unread=tuple(unread),
    )


def _models(before: StackConfig | None, after: StackConfig | None) -> Iterator[ModelChange]:
    old: Mapping[str, ModelConfig] = before.models if before else {}
    new: Mapping[str, ModelConfig] = after.models if after else {}
    for name in dict.fromkeys([*new, *old]):
        yield ModelChange(model=name, before=old.get(name), after=new.get(name))


def _cost(config: StackConfig | None, resources: Resources | None) -> Estimate | None:
    if config is None or resources is None:
        return None
    region = {Platform.GCP: config.gcp.region, Platform.AWS: config.aws.region}.get(config.platform)
    if region is None:
        return None
    buckets = sum(1 for urn in resources if any(f"{kind}::" in urn for kind in _BUCKETS))
    return estimate(
        resources, config.cost, cloud=str(config.platform), region=region, bucket_count=buckets
    )
