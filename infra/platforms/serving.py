"""From a model's configuration to the settings of a server that speaks TF Serving."""

from collections.abc import Mapping

from infra.config import ModelConfig
from infra.serving.settings import BatchingSettings, ServingSettings


def serving_settings(
    name: str,
    model: ModelConfig,
    *,
    versions: tuple[int, ...],
    rest_port: int,
    grpc_port: int,
    base_path: str = "",
    traffic: Mapping[int, int] | None = None,
) -> ServingSettings:
    """Give the settings of one server for the model; what the target decides is handed in."""
    return ServingSettings(
        model=name,
        base_path=base_path,
        versions=versions,
        rest_port=rest_port,
        grpc_port=grpc_port,
        labels={label: at for label, at in model.labels.items() if at in versions},
        traffic=traffic or {},
        poll_seconds=model.poll_seconds or 0,
        batching=BatchingSettings(**model.batching.model_dump()) if model.batching else None,
        warmup=model.warmup,
        intra_op_threads=model.threads.intra_op if model.threads else None,
        inter_op_threads=model.threads.inter_op if model.threads else None,
        gpu_memory_fraction=model.gpu.memory_fraction if model.gpu else None,
        prefer_tflite_model=model.prefer_tflite_model,
    )
