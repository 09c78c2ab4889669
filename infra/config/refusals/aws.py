"""What Amazon's cloud lacks, beyond what `clouds` says of it. Pure data."""

from typing import Final

from infra.config.refusals.refusal import AWS, Refusal

AWS_REFUSALS: Final = (
    Refusal(
        field="cluster.gpu_pools.*.sharing.strategy",
        value="mps",
        platforms=AWS,
        reason="nothing in EKS runs NVIDIA's daemon for it",
        remedy="Write: strategy: time_slicing",
    ),
)
