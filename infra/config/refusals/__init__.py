"""What a platform or target cannot honour, why, and what to write instead. Pure data.

Nothing in a configuration may be without effect: a field that is not refused here for a place has
to reach a resource there, or a command or rule of ours that judges by it.
"""

from typing import Final

from infra.config.fields import leaf_fields
from infra.config.refusals.aws import AWS_REFUSALS
from infra.config.refusals.clouds import CLOUD_REFUSALS
from infra.config.refusals.kubernetes import KUBERNETES_REFUSALS
from infra.config.refusals.local import LOCAL_REFUSALS
from infra.config.refusals.managed import MANAGED_REFUSALS
from infra.config.refusals.places import PLACE_REFUSALS
from infra.config.refusals.refusal import Place, Refusal
from infra.config.refusals.rollout import ROLLOUT_REFUSALS
from infra.config.refusals.sagemaker import SAGEMAKER_REFUSALS
from infra.config.refusals.vertex import VERTEX_REFUSALS

__all__ = ["REFUSALS", "Place", "Refusal", "accepted_fields"]

REFUSALS: Final = (
    *PLACE_REFUSALS,
    *LOCAL_REFUSALS,
    *MANAGED_REFUSALS,
    *CLOUD_REFUSALS,
    *KUBERNETES_REFUSALS,
    *ROLLOUT_REFUSALS,
    *AWS_REFUSALS,
    *SAGEMAKER_REFUSALS,
    *VERTEX_REFUSALS,
)


def accepted_fields(place: Place) -> frozenset[str]:
    """Give the fields that must have an effect in this place."""
    refused = [entry for entry in REFUSALS if entry.value is None and entry.holds_at(place)]
    return frozenset(
        path
        for path in leaf_fields()
        if not any(path == entry.field or path.startswith(f"{entry.field}.") for entry in refused)
    )
