"""The versions that a stack's configuration names, looked up before anything is declared."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from infra.config import ModelConfig, StackConfig
from infra.errors import ServestackError
from infra.storage.published import PublishedModels
from model_export.manifest import Manifest

Manifests = Mapping[tuple[str, int], Manifest]

# Each version costs a request or two to an object store, and none of them waits for another.
_READERS: Final = 16


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
    problems = [
        f"{file_name}: servestack:models.{model}.{key}: {error}"
        for model, version, key in sorted(keys)
        if isinstance(error := found[model, version], ServestackError)
    ]
    if problems:
        raise ServestackError("\n".join(problems))
    return {at: result for at, result in found.items() if isinstance(result, Manifest)}


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
