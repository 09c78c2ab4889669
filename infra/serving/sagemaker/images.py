"""Which of Amazon's TensorFlow images serves a model. Pure data, and dated.

Where it comes from, as of 2026-11: the release notes of AWS Deep Learning Containers (TensorFlow
inference on SageMaker ends at 2.19) and the registries that its SDK's `tensorflow.json` names.
"""

from collections.abc import Mapping
from typing import Final

from infra.errors import ServestackError

_VERSIONS: Final = (
    *("2.8.4", "2.9.3", "2.10.1", "2.11.1", "2.12.1"),
    *("2.13.0", "2.14.1", "2.16.1", "2.18.0", "2.19.0"),
)
_REGISTRY: Final = "763104351884"
# Regions that have a registry of their own.
_REGISTRIES: Final[Mapping[str, str]] = {
    "af-south-1": "626614931356",
    "ap-east-1": "871362719292",
    "ap-east-2": "975050140332",
    "ap-northeast-3": "364406365360",
    "ap-south-2": "772153158452",
    "ap-southeast-3": "907027046896",
    "ap-southeast-4": "457447274322",
    "ap-southeast-5": "550225433462",
    "ap-southeast-6": "633930458069",
    "ap-southeast-7": "590183813437",
    "ca-west-1": "204538143572",
    "cn-north-1": "727897471807",
    "cn-northwest-1": "727897471807",
    "eu-central-2": "380420809688",
    "eu-south-1": "692866216735",
    "eu-south-2": "503227376785",
    "il-central-1": "780543022126",
    "me-central-1": "914824155844",
    "me-south-1": "217643126080",
    "mx-central-1": "637423239942",
    "us-gov-east-1": "446045086412",
    "us-gov-west-1": "442386744353",
}


def minor_versions() -> tuple[str, ...]:
    """Give the minor versions of TensorFlow that there is an image of, oldest first."""
    return tuple(_minor_text(_key(version)) for version in _VERSIONS)


def image_for(*, region: str, exported_by: str, wanted: str | None, gpu: bool) -> str:
    """Name the image for a model exported by a TensorFlow: the first that is not older.

    A newer TensorFlow loads what an older one exported; the other way round is not promised, so it
    has to be `wanted`, by its minor version.
    """
    least = _key(wanted or exported_by)[:2]
    fitting = [version for version in _VERSIONS if _key(version)[:2] >= least]
    if wanted is not None:
        fitting = [version for version in fitting if _key(version)[:2] == least]
    if not fitting:
        newest = minor_versions()[-1]
        if wanted is not None:
            raise ServestackError(
                f"SageMaker has no image of TensorFlow {wanted}; it has "
                f"{', '.join(minor_versions())}"
            )
        raise ServestackError(
            f"the version was exported by TensorFlow {exported_by}, and SageMaker's images end at "
            f'{newest}. Export it by an older one, or write sagemaker: {{tensorflow: "{newest}"}} '
            "to serve it by the newest image all the same, or name an image of your own as "
            "sagemaker: {image: …}"
        )
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    registry = _REGISTRIES.get(region, _REGISTRY)
    processor = "gpu" if gpu else "cpu"
    return f"{registry}.dkr.ecr.{region}.{suffix}/tensorflow-inference:{fitting[0]}-{processor}"


def _key(version: str) -> tuple[int, ...]:
    """Read the numbers of a version; what follows them, as in 2.20.0-rc1, says nothing here."""
    numbers = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)


def _minor_text(key: tuple[int, ...]) -> str:
    return ".".join(map(str, key[:2]))
