"""What Amazon's cloud lacks, beyond what `clouds` says of it. Pure data."""

from typing import Final

from infra.config.refusals.refusal import Refusal

AWS_REFUSALS: Final[tuple[Refusal, ...]] = ()
