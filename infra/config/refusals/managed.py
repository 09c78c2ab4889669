"""What a managed service decides by itself, having no server of ours. Pure data."""

from typing import Final

from infra.config.refusals.refusal import MANAGED, SAGEMAKER, Refusal

MANAGED_REFUSALS: Final = (
    # Managed services: no server of ours whose flags could be set.
    Refusal(
        field="models.*.version",
        value="latest",
        targets=MANAGED,
        reason="a managed service deploys one version and does not watch the bucket",
        remedy="Name the version, for example: version: 2",
    ),
    *(
        Refusal(
            field=f"models.*.{field}",
            targets=MANAGED,
            reason="a managed service rolls out in its own way and does not watch the bucket",
            remedy="Remove the line, or write: target: kubernetes",
        )
        for field in ("strategy", "poll_seconds")
    ),
    *(
        Refusal(
            field=f"models.*.{field}",
            targets=SAGEMAKER,
            reason="a managed service's container takes no such setting",
            remedy="Remove it, or write: target: kubernetes",
        )
        for field in ("batching", "warmup", "threads", "prefer_tflite_model", "gpu.memory_fraction")
    ),
    Refusal(
        field="models.*.resources",
        targets=MANAGED,
        reason="a managed service sells machine types, not quantities",
        remedy="Remove the section, or write: target: kubernetes",
    ),
    Refusal(
        field="models.*.labels",
        targets=SAGEMAKER,
        reason="SageMaker has no names for versions",
        remedy="Remove the section, or write: target: kubernetes",
    ),
)
