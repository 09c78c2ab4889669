"""In which zones Compute Engine has which accelerators. Pure data, and dated.

As of 2026-11, from what Google's API lists by zone (`gcloud compute accelerator-types list`), read
from SkyPilot's catalog of it: github.com/skypilot-org/skypilot-catalog, catalogs/v8/gcp/vms.csv at
commit 006059e0. Google adds zones, so a zone that is not in here is not known to have it; who names
a zone is believed. An accelerator that is not in here is not known anywhere.
"""

from collections.abc import Mapping
from typing import Final

AS_OF: Final = "2026-11"

# By accelerator: each region, and the letters of its zones.
_ZONES: Final[Mapping[str, Mapping[str, str]]] = {
    "nvidia-l4": {
        "asia-east1": "abc",
        "asia-northeast1": "abc",
        "asia-northeast3": "ab",
        "asia-south1": "abc",
        "asia-southeast1": "abc",
        "europe-west1": "bc",
        "europe-west2": "ab",
        "europe-west3": "ab",
        "europe-west4": "abc",
        "europe-west6": "bc",
        "me-central2": "ac",
        "northamerica-northeast1": "bc",
        "northamerica-northeast2": "ab",
        "us-central1": "abc",
        "us-east1": "bcd",
        "us-east4": "ac",
        "us-west1": "abc",
        "us-west4": "ac",
    },
    "nvidia-tesla-t4": {
        "asia-east1": "ac",
        "asia-east2": "ac",
        "asia-northeast1": "ac",
        "asia-northeast3": "bc",
        "asia-south1": "ab",
        "asia-southeast1": "abc",
        "asia-southeast2": "ab",
        "australia-southeast1": "ac",
        "europe-central2": "bc",
        "europe-west1": "bcd",
        "europe-west2": "ab",
        "europe-west3": "b",
        "europe-west4": "abc",
        "me-west1": "bc",
        "northamerica-northeast1": "c",
        "southamerica-east1": "abc",
        "us-central1": "abcf",
        "us-east1": "bcd",
        "us-east4": "abc",
        "us-west1": "ab",
        "us-west2": "bc",
        "us-west3": "b",
        "us-west4": "ab",
    },
    "nvidia-tesla-p4": {
        "asia-southeast1": "abc",
        "australia-southeast1": "ab",
        "europe-west4": "bc",
        "northamerica-northeast1": "abc",
        "us-central1": "ac",
        "us-east4": "abc",
        "us-west2": "bc",
    },
    "nvidia-tesla-p100": {
        "asia-east1": "ac",
        "australia-southeast1": "b",
        "europe-west1": "bd",
        "europe-west4": "a",
        "us-central1": "cf",
        "us-east1": "bc",
        "us-west1": "ab",
    },
    "nvidia-tesla-v100": {
        "asia-east1": "c",
        "europe-west4": "abc",
        "us-central1": "abcf",
        "us-east1": "bc",
        "us-west1": "ab",
    },
    "nvidia-tesla-a100": {
        "asia-northeast1": "ac",
        "asia-northeast3": "ab",
        "asia-southeast1": "abc",
        "europe-west4": "ab",
        "me-west1": "ac",
        "us-central1": "abcf",
        "us-east1": "b",
        "us-west1": "b",
        "us-west3": "b",
        "us-west4": "b",
    },
    "nvidia-a100-80gb": {
        "asia-southeast1": "c",
        "europe-west4": "a",
        "us-central1": "ac",
        "us-east4": "c",
        "us-east5": "ab",
    },
    "nvidia-h100-80gb": {
        "asia-east1": "c",
        "asia-northeast1": "b",
        "asia-northeast3": "ac",
        "asia-south1": "c",
        "asia-south2": "b",
        "asia-southeast1": "bc",
        "australia-southeast1": "c",
        "europe-north1": "c",
        "europe-west1": "bc",
        "europe-west2": "b",
        "europe-west3": "ac",
        "europe-west4": "bc",
        "europe-west9": "c",
        "northamerica-northeast2": "c",
        "us-central1": "abc",
        "us-east4": "abc",
        "us-east5": "a",
        "us-west1": "ab",
        "us-west4": "a",
    },
    "nvidia-h100-mega-80gb": {
        "asia-northeast1": "b",
        "asia-northeast3": "ac",
        "asia-south1": "c",
        "asia-southeast1": "bc",
        "australia-southeast1": "c",
        "europe-west1": "bc",
        "europe-west3": "ac",
        "europe-west4": "bc",
        "northamerica-northeast2": "c",
        "us-central1": "abc",
        "us-east4": "abc",
        "us-east5": "a",
        "us-west1": "ab",
        "us-west4": "a",
    },
    "nvidia-h200-141gb": {
        "asia-south1": "b",
        "asia-south2": "c",
        "europe-west1": "b",
        "europe-west4": "a",
        "us-central1": "b",
        "us-east4": "b",
        "us-east5": "a",
        "us-south1": "b",
        "us-west1": "c",
    },
    "nvidia-b200": {
        "asia-northeast1": "b",
        "asia-southeast1": "b",
        "europe-north1": "b",
        "europe-west4": "b",
        "us-central1": "b",
        "us-east1": "b",
        "us-east4": "b",
        "us-south1": "b",
        "us-west2": "c",
        "us-west3": "bc",
    },
}


def regions_with(accelerator: str) -> tuple[str, ...]:
    """Give the regions that are known to have an accelerator."""
    return tuple(_ZONES.get(accelerator, ()))


def zones_with(accelerator: str, region: str) -> tuple[str, ...] | None:
    """Give the zones of a region with an accelerator; None where nothing is known of it."""
    regions = _ZONES.get(accelerator)
    if regions is None:
        return None
    return tuple(f"{region}-{letter}" for letter in regions.get(region, ""))


def chosen_zones(
    accelerator: str, region: str, *, named: tuple[str, ...], of_cluster: tuple[str, ...]
) -> tuple[str, ...]:
    """Give the zones for a pool: those that are named for it, else the cluster's that have it.

    None at all leaves it to the cluster, since nothing is known.
    """
    known = zones_with(accelerator, region)
    if named or known is None:
        return named
    return tuple(zone for zone in known if zone in of_cluster) if of_cluster else known
