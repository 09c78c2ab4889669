"""The versions that a stack's configuration names, looked up before anything is declared."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from infra.config import ModelConfig, Platform, StackConfig
from infra.errors import ServestackError
from infra.storage.published import PublishedModels
from model_export.errors import BucketMissingError
from model_export.manifest import Manifest

Manifests = Mapping[tuple[str, int], Manifest]

# Each version costs a request or two to an object store, and none of them waits for another.
_READERS: Final = 16
_MAKE_THEIR_BUCKET: Final = frozenset({Platform.GCP, Platform.AWS})


def require_published(config: StackConfig, file_name: str, bucket: PublishedModels) -> Manifests:
    """Read every version that is named; refuse those that are not whole, all of them at once."""
    keys = {
        (model, version, key)
        for model, settings in config.models.items()
        for key, version in _named_versions(settings)
    }
    versions = sorted({(model, version) for model, version, _ in keys})
    if not versions:
        return {}
    with ThreadPoolExecutor(min(_READERS, len(versions))) as readers:
        found = dict(
            zip(versions, readers.map(lambda at: _read(bucket, *at), versions), strict=True)
        )
    makes_bucket = config.platform in _MAKE_THEIR_BUCKET
    problems = [
        f"{file_name}: servestack:models.{model}.{key}: "
        f"{_too_early(bucket.url) if makes_bucket and _has_no_bucket(error) else error}"
        for model, version, key in sorted(keys)
        if isinstance(error := found[model, version], ServestackError)
    ]
    if problems:
        raise ServestackError("\n".join(problems))
    return {at: result for at, result in found.items() if isinstance(result, Manifest)}


def _has_no_bucket(error: ServestackError) -> bool:
    return isinstance(error.__cause__, BucketMissingError)


def _too_early(bucket_url: str) -> str:
    return (
        f"the stack's bucket {bucket_url} is not there: the stack's first `up` makes it. Leave "
        "the version out until then; publish it into the bucket, and release it."
    )


def _named_versions(model: ModelConfig) -> Iterator[tuple[str, int]]:
    if isinstance(model.version, int):
        yield "version", model.version
    if model.canary:
        yield "canary.version", model.canary.version
    if model.sagemaker and model.sagemaker.shadow:
        yield "sagemaker.shadow.version", model.sagemaker.shadow.version
    if model.kubernetes.conversion:
        yield "kubernetes.conversion.of", model.kubernetes.conversion.of
    for label, version in model.labels.items():
        yield f"labels.{label}", version
    for version in model.vertex.keep_versions:
        yield "vertex.keep_versions", version


def _read(bucket: PublishedModels, model: str, version: int) -> Manifest | ServestackError:
    try:
        return bucket.manifest(model, version)
    except ServestackError as error:
        return error
