"""Machines of Vertex AI: which accelerator is called what, and what fits into a machine. Pure.

The machines are Compute Engine's, whose table is `infra.compute.gcp_accelerators`. Memory is told
by a machine's name: its family, its shape and its number of vCPUs.
"""

import re
from collections.abc import Mapping
from typing import Final

from infra.compute.gcp_accelerators import ACCELERATORS

DEFAULT_MACHINE: Final = "n1-standard-2"

# What Vertex AI has an own name for, as of the client's AcceleratorType; the others are in no list
# of its reference.
_NAMES: Final = frozenset(
    {
        "nvidia-tesla-t4",
        "nvidia-tesla-p4",
        "nvidia-tesla-p100",
        "nvidia-tesla-v100",
        "nvidia-tesla-a100",
        "nvidia-a100-80gb",
        "nvidia-l4",
        "nvidia-h100-80gb",
        "nvidia-h100-mega-80gb",
        "nvidia-h200-141gb",
        "nvidia-b200",
        "nvidia-gb200",
        "nvidia-rtx-pro-6000",
    }
)
_MACHINE: Final = re.compile(r"(?P<family>[a-z0-9]+)-(?P<shape>[a-z]+)-(?P<vcpus>\d+)")
# Gibibytes for each vCPU.
_SHAPES: Final[Mapping[str, float]] = {"standard": 4.0, "highmem": 8.0, "highcpu": 1.0}
_OLD_SHAPES: Final[Mapping[str, float]] = {"standard": 3.75, "highmem": 6.5, "highcpu": 0.9}
_GIB: Final = 2**30
# A server needs room beside the weights: TensorFlow itself, activations, the machine's own.
_USABLE: Final = 0.7


def accelerator_name(kind: str) -> str | None:
    """Give Vertex AI's name for an accelerator; None where it has none."""
    return kind.upper().replace("-", "_") if kind in _NAMES else None


def default_machine(kind: str, count: int) -> str:
    """Give the smallest machine with so many accelerators."""
    found = ACCELERATORS[kind].machine_for(count) if kind in ACCELERATORS else None
    return found or DEFAULT_MACHINE


def needs_accelerator(machine_type: str) -> str | None:
    """Name the accelerator that a machine always comes with."""
    return next(
        (kind for kind, known in ACCELERATORS.items() if machine_type in known.machines), None
    )


def usable_bytes(machine_type: str) -> int | None:
    """Tell how much of a machine's memory a model can have; None of one that is not known."""
    found = _MACHINE.fullmatch(machine_type)
    if found is None:
        return None
    shapes = _OLD_SHAPES if found["family"] == "n1" else _SHAPES
    if found["shape"] not in shapes:
        return None
    return int(int(found["vcpus"]) * shapes[found["shape"]] * _USABLE * _GIB)
