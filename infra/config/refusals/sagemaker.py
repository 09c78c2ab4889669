"""What only SageMaker takes, and what it does not. Pure data."""

from typing import Final

from infra.config.refusals.refusal import ALL_TARGETS, SAGEMAKER, Refusal

SAGEMAKER_REFUSALS: Final = (
    Refusal(
        field="models.*.sagemaker",
        targets=ALL_TARGETS - SAGEMAKER,
        reason="SageMaker does not serve this model",
        remedy="Remove the section, or write: target: sagemaker",
    ),
    Refusal(
        field="models.*.gpu",
        targets=SAGEMAKER,
        reason="SageMaker's machine says which accelerators it has",
        remedy="Write instead for example: sagemaker: {instance_type: ml.g5.xlarge}",
    ),
    Refusal(
        field="models.*.autoscaling.target_cpu_percent",
        targets=SAGEMAKER,
        reason="SageMaker scales by requests, not by load",
        remedy="Write instead for example: sagemaker: {scaling: {invocations_per_instance: 600}}",
    ),
)
