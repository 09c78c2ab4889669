"""The archives and images of what SageMaker is to serve, found before anything is declared.

Apart from the components, whose SDK takes a second to load: a stack without endpoints never does.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from infra.compute.aws_accelerators import accelerators_in, may_have_accelerators
from infra.config import ModelConfig, Target
from infra.config.sections.sagemaker import SageMakerConfig
from infra.errors import ServestackError
from infra.platforms.published import Manifests
from infra.platforms.stack import RunningStack
from infra.serving.sagemaker.images import image_for
from infra.serving.sagemaker.settings import ServedVersion
from infra.storage.published import PublishedModels
from model_export.archive.record import ArchiveRecord
from model_export.layout import archive_path

Archives = Mapping[tuple[str, int], ServedVersion]

DEFAULT_MACHINE: Final = "ml.m5.large"
_READERS: Final = 16


def read_archives(stack: RunningStack, bucket: PublishedModels, manifests: Manifests) -> Archives:
    """Find the archive and the image of every version that SageMaker is to serve.

    Those that have none are refused, all of them at once, before anything is declared.
    """
    wanted = {
        (name, version): (key, model.sagemaker or SageMakerConfig())
        for name, model in stack.config.models.items()
        if model.target is Target.SAGEMAKER
        for key, version in _versions(model)
    }
    if not wanted:
        return {}
    with ThreadPoolExecutor(min(_READERS, len(wanted))) as readers:
        records = dict(
            zip(wanted, readers.map(lambda at: _record(bucket, *at), wanted), strict=True)
        )
    found: dict[tuple[str, int], ServedVersion] = {}
    problems = []
    for (name, version), (key, how) in wanted.items():
        try:
            found[name, version] = _served(
                records[name, version],
                how,
                where=f"{bucket.url}/{archive_path(name, version)}",
                region=str(stack.config.aws.region),
                exported_by=manifests[name, version].tensorflow_version,
            )
        except ServestackError as error:
            problems.append(f"{stack.file_name}: servestack:models.{name}.{key}: {error}")
    if problems:
        raise ServestackError("\n".join(problems))
    return found


def _versions(model: ModelConfig) -> Iterator[tuple[str, int]]:
    if model.pinned_version is not None:
        yield "version", model.pinned_version
    if model.canary:
        yield "canary.version", model.canary.version
    if model.sagemaker and model.sagemaker.shadow:
        yield "sagemaker.shadow.version", model.sagemaker.shadow.version


def _record(bucket: PublishedModels, model: str, version: int) -> ArchiveRecord | ServestackError:
    try:
        return bucket.archive(model, version)
    except ServestackError as error:
        return error


def _served(
    record: ArchiveRecord | ServestackError,
    how: SageMakerConfig,
    *,
    where: str,
    region: str,
    exported_by: str,
) -> ServedVersion:
    if isinstance(record, ServestackError):
        raise record
    machine = "" if how.serverless else how.instance_type or DEFAULT_MACHINE
    gpu = accelerators_in(machine) is not None or may_have_accelerators(machine)
    return ServedVersion(
        version=record.version,
        archive_url=where,
        archive_sha256=record.sha256,
        image=how.image
        or image_for(region=region, exported_by=exported_by, wanted=how.tensorflow, gpu=gpu),
    )
