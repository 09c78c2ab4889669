"""What the fields of one model must be to each other, whatever serves it. Pure."""

from collections.abc import Iterator
from itertools import pairwise

from infra.config.model import LATEST, ModelConfig
from infra.config.problems import Finding
from infra.config.values import Strategy


def model_findings(at: tuple[str, ...], model: ModelConfig) -> Iterator[Finding]:
    """Give every rule that one model breaks."""
    yield from _versions(at, model)
    yield from _strategy(at, model)
    yield from _capacity(at, model)
    yield from _batching(at, model)


def _versions(at: tuple[str, ...], model: ModelConfig) -> Iterator[Finding]:
    if model.canary is not None:
        if model.pinned_version is None:
            found = "it is latest" if model.version == LATEST else "there is none"
            yield Finding(
                at=(*at, "canary"),
                rule=f"a canary needs a stable version beside it, and {found}",
                remedy="Name the stable one, for example: version: "
                f"{max(1, model.canary.version - 1)}",
            )
        elif model.canary.version == model.pinned_version:
            yield Finding(
                at=(*at, "canary", "version"),
                rule=f"{model.canary.version} is the stable version too; a canary is another one",
                remedy="Write the version on trial, or remove the canary",
            )
    if model.labels and model.version == LATEST:
        yield Finding(
            at=(*at, "labels"),
            rule="labels name fixed versions, and with version: latest none is fixed",
            remedy="Name the version, or remove the labels",
        )
        return
    for label, version in model.labels.items():
        if version not in model.pinned_versions:
            served = " and ".join(str(number) for number in model.pinned_versions) or "none"
            yield Finding(
                at=(*at, "labels", label),
                rule=f"version {version} is not served here (served: {served})",
                remedy="Let the label name a served version, or remove it",
            )


def _strategy(at: tuple[str, ...], model: ModelConfig) -> Iterator[Finding]:
    follows = model.version == LATEST
    if model.strategy is Strategy.POLL and not follows:
        yield Finding(
            at=(*at, "strategy"),
            rule="poll follows the bucket, and the version is fixed",
            remedy="Remove the line, or write: version: latest",
        )
    if follows and model.strategy not in {None, Strategy.POLL}:
        yield Finding(
            at=(*at, "strategy"),
            rule=f"{model.strategy} rolls out named versions, and version: latest names none",
            remedy="Remove the line, or name the version",
        )
    if model.poll_seconds is not None and not follows:
        yield Finding(
            at=(*at, "poll_seconds"),
            rule="only version: latest looks for later versions",
            remedy="Remove the line, or write: version: latest",
        )


def _capacity(at: tuple[str, ...], model: ModelConfig) -> Iterator[Finding]:
    scaling = model.autoscaling
    if scaling is None:
        return
    if model.replicas is not None:
        yield Finding(
            at=(*at, "replicas"),
            rule="a fixed number and autoscaling exclude each other",
            remedy="Remove one of the two",
        )
    if scaling.min_replicas > scaling.max_replicas:
        yield Finding(
            at=(*at, "autoscaling", "min_replicas"),
            rule=f"{scaling.min_replicas} is more than max_replicas: {scaling.max_replicas}",
            remedy=f"Write at most: min_replicas: {scaling.max_replicas}",
        )


def _batching(at: tuple[str, ...], model: ModelConfig) -> Iterator[Finding]:
    sizes = model.batching.allowed_batch_sizes if model.batching else ()
    if model.batching is None or not sizes:
        return
    largest = model.batching.max_batch_size
    if sizes[-1] != largest or any(low >= high for low, high in pairwise(sizes)):
        kept = sorted({size for size in sizes if size < largest} | {largest})
        yield Finding(
            at=(*at, "batching", "allowed_batch_sizes"),
            rule=f"{list(sizes)} must ascend and end with max_batch_size: {largest}",
            remedy=f"Write for example: allowed_batch_sizes: {kept}",
        )
