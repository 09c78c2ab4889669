"""Which accelerators Compute Engine puts into which machines. Pure data, and dated.

Where it comes from, as of 2026-11:
cloud.google.com/compute/docs/gpus (machine types, accelerators on N1 and their most vCPUs),
cloud.google.com/kubernetes-engine/docs/how-to/gpus-multi (partitions),
cloud.google.com/compute/docs/accelerator-optimized-machines (which are sold as spot or flex-start
only). Google adds to all of this: what is not in here is unknown, not wrong. In which zones they
are is `gcp_accelerator_zones`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_N1: Final = re.compile(r"n1-(?:standard|highmem|highcpu)-(\d+)|n1-custom-(\d+)-\d+")


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """One kind of accelerator; `machines` come with that many of it, smallest first.

    Where there are no machines it is put into N1 machines: that many, with at most so many vCPUs.
    `partitions` says into how many parts of a size one accelerator is cut.
    """

    machines: Mapping[str, int] = field(default_factory=dict)
    n1_vcpus: Mapping[int, int] = field(default_factory=dict)
    partitions: Mapping[str, int] = field(default_factory=dict)

    @property
    def counts(self) -> tuple[int, ...]:
        """Give how many of it a machine can have."""
        return tuple(sorted({*self.machines.values(), *self.n1_vcpus}))

    def machine_for(self, count: int) -> str | None:
        """Give the smallest machine with so many of it, if there is one."""
        if count in self.n1_vcpus:
            return f"n1-standard-{4 * count}"
        return next((name for name, found in self.machines.items() if found == count), None)

    def machines_for(self, count: int) -> str:
        """Say in words what machines have so many of it."""
        if count in self.n1_vcpus:
            return f"an n1 machine with at most {self.n1_vcpus[count]} vCPUs"
        return " or ".join(name for name, found in self.machines.items() if found == count)

    def fits(self, machine_type: str, count: int) -> bool | None:
        """Tell whether a machine has so many of it; None of a machine that is not known."""
        n1 = _N1.fullmatch(machine_type)
        if n1:
            vcpus = int(n1.group(1) or n1.group(2))
            return vcpus <= self.n1_vcpus.get(count, 0)
        if machine_type in self.machines:
            return self.machines[machine_type] == count
        return False if is_known_machine(machine_type) else None


ACCELERATORS: Final[Mapping[str, Accelerator]] = {
    "nvidia-l4": Accelerator(
        machines={
            "g2-standard-4": 1,
            "g2-standard-8": 1,
            "g2-standard-12": 1,
            "g2-standard-16": 1,
            "g2-standard-32": 1,
            "g2-standard-24": 2,
            "g2-standard-48": 4,
            "g2-standard-96": 8,
        }
    ),
    "nvidia-tesla-t4": Accelerator(n1_vcpus={1: 48, 2: 48, 4: 96}),
    "nvidia-tesla-p4": Accelerator(n1_vcpus={1: 24, 2: 48, 4: 96}),
    "nvidia-tesla-p100": Accelerator(n1_vcpus={1: 16, 2: 32, 4: 96}),
    "nvidia-tesla-v100": Accelerator(n1_vcpus={1: 12, 2: 24, 4: 48, 8: 96}),
    "nvidia-tesla-a100": Accelerator(
        machines={
            "a2-highgpu-1g": 1,
            "a2-highgpu-2g": 2,
            "a2-highgpu-4g": 4,
            "a2-highgpu-8g": 8,
            "a2-megagpu-16g": 16,
        },
        partitions={"1g.5gb": 7, "2g.10gb": 3, "3g.20gb": 2, "7g.40gb": 1},
    ),
    "nvidia-a100-80gb": Accelerator(
        machines={
            "a2-ultragpu-1g": 1,
            "a2-ultragpu-2g": 2,
            "a2-ultragpu-4g": 4,
            "a2-ultragpu-8g": 8,
        },
        partitions={"1g.10gb": 7, "2g.20gb": 3, "3g.40gb": 2, "7g.80gb": 1},
    ),
    "nvidia-h100-80gb": Accelerator(
        machines={
            "a3-highgpu-1g": 1,
            "a3-highgpu-2g": 2,
            "a3-highgpu-4g": 4,
            "a3-highgpu-8g": 8,
            "a3-edgegpu-8g": 8,
        },
        partitions={"1g.10gb": 7, "1g.20gb": 4, "2g.20gb": 3, "3g.40gb": 2, "7g.80gb": 1},
    ),
    "nvidia-h100-mega-80gb": Accelerator(machines={"a3-megagpu-8g": 8}),
    "nvidia-h200-141gb": Accelerator(
        machines={"a3-ultragpu-8g": 8},
        partitions={"1g.18gb": 7, "1g.35gb": 4, "2g.35gb": 3, "3g.71gb": 2, "7g.141gb": 1},
    ),
    "nvidia-b200": Accelerator(
        machines={"a4-highgpu-8g": 8},
        partitions={"1g.23gb": 7, "1g.45gb": 4, "2g.45gb": 3, "3g.90gb": 2, "7g.180gb": 1},
    ),
    "nvidia-gb200": Accelerator(machines={"a4x-highgpu-4g": 4}),
    "nvidia-rtx-pro-6000": Accelerator(
        machines={
            "g4-standard-48": 1,
            "g4-standard-96": 2,
            "g4-standard-192": 4,
            "g4-standard-384": 8,
        }
    ),
}

# Machines that are sold as spot or by flex-start, never on demand.
NOT_ON_DEMAND: Final = frozenset({"a3-highgpu-1g", "a3-highgpu-2g", "a3-highgpu-4g"})

# Families of machines that never have an accelerator.
_PLAIN_FAMILIES: Final = frozenset(
    {"e2", "n2", "n2d", "n4", "n4d", "t2a", "t2d", "c2", "c2d", "c3", "c3d", "c4", "c4a", "c4d"}
    | {"m1", "m2", "m3", "m4", "h3", "h4d", "x4", "z3", "f1", "g1"}
)


def is_known_machine(machine_type: str) -> bool:
    """Tell whether it is known which accelerators the machine has, if any."""
    return (
        machine_type.partition("-")[0] in _PLAIN_FAMILIES
        or _N1.fullmatch(machine_type) is not None
        or any(machine_type in entry.machines for entry in ACCELERATORS.values())
    )
