"""Which accelerators EC2 puts into which machines. Pure data, and dated.

Where it comes from, as of 2026-11: docs.aws.amazon.com/ec2/latest/instancetypes/ac.html. The
accelerators have the names that Google gives to the same chips, so that a team with both clouds
learns one. Amazon adds to all of this: what is not in here is unknown, not wrong.
"""

from collections.abc import Mapping
from typing import Final

_GPUS: Final[Mapping[str, Mapping[str, int]]] = {
    "nvidia-tesla-t4": {
        **dict.fromkeys(
            ("g4dn.xlarge", "g4dn.2xlarge", "g4dn.4xlarge", "g4dn.8xlarge", "g4dn.16xlarge"), 1
        ),
        "g4dn.12xlarge": 4,
        "g4dn.metal": 8,
    },
    "nvidia-a10g": {
        **dict.fromkeys(("g5.xlarge", "g5.2xlarge", "g5.4xlarge", "g5.8xlarge", "g5.16xlarge"), 1),
        "g5.12xlarge": 4,
        "g5.24xlarge": 4,
        "g5.48xlarge": 8,
    },
    "nvidia-l4": {
        **dict.fromkeys(("g6.xlarge", "g6.2xlarge", "g6.4xlarge", "g6.8xlarge", "g6.16xlarge"), 1),
        **dict.fromkeys(("gr6.4xlarge", "gr6.8xlarge"), 1),
        "g6.12xlarge": 4,
        "g6.24xlarge": 4,
        "g6.48xlarge": 8,
    },
    "nvidia-l40s": {
        **dict.fromkeys(
            ("g6e.xlarge", "g6e.2xlarge", "g6e.4xlarge", "g6e.8xlarge", "g6e.16xlarge"), 1
        ),
        "g6e.12xlarge": 4,
        "g6e.24xlarge": 4,
        "g6e.48xlarge": 8,
    },
    "nvidia-tesla-v100": {
        "p3.2xlarge": 1,
        "p3.8xlarge": 4,
        "p3.16xlarge": 8,
        "p3dn.24xlarge": 8,
    },
    "nvidia-tesla-a100": {"p4d.24xlarge": 8},
    "nvidia-a100-80gb": {"p4de.24xlarge": 8},
    "nvidia-h100-80gb": {"p5.4xlarge": 1, "p5.48xlarge": 8},
    "nvidia-h200-141gb": {"p5e.48xlarge": 8, "p5en.48xlarge": 8},
    "nvidia-b200": {"p6-b200.48xlarge": 8},
}
ACCELERATORS: Final = tuple(_GPUS)
# By the letters before the first digit: machines of these families may have accelerators.
_GPU_LETTERS: Final = frozenset({"g", "gr", "p", "inf", "trn", "dl", "vt", "f"})


def accelerators_in(machine: str) -> tuple[str, int] | None:
    """Give which accelerators a machine has, and how many; None of one that has none, or unknown.

    SageMaker's machines are called like EC2's with `ml.` before.
    """
    machine = machine.removeprefix("ml.")
    for accelerator, machines in _GPUS.items():
        if machine in machines:
            return accelerator, machines[machine]
    return None


def may_have_accelerators(machine: str) -> bool:
    """Tell whether a machine that the table does not know may be one with accelerators."""
    family = machine.removeprefix("ml.").partition(".")[0]
    letters = family.partition("-")[0].rstrip("abcdefghijklmnopqrstuvwxyz").rstrip("0123456789")
    return (letters or family) in _GPU_LETTERS


def counts_of(accelerator: str) -> tuple[int, ...]:
    """Give how many of an accelerator a machine can have; none of an unknown one."""
    return tuple(sorted(set(_GPUS.get(accelerator, {}).values())))


def machine_with(accelerator: str, count: int) -> str | None:
    """Give the smallest machine with so many of an accelerator, if there is one."""
    machines = _GPUS.get(accelerator, {})
    return next((name for name, found in machines.items() if found == count), None)
