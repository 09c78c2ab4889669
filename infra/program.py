"""The composition root: stack configuration in, resources and outputs out.

The only file that reads configuration and calls `pulumi.export`. Each platform
adds a function here.
"""

import os
from pathlib import Path
from typing import Final

import pulumi

from infra.config import ModelConfig, Platform, StackConfig, load_stack
from infra.errors import ServestackError
from infra.names import container_name
from infra.serving.local.component import LocalModel
from infra.serving.local.server import LocalServerSpec
from infra.serving.settings import BatchingSettings, ServingSettings
from infra.storage.directory import bucket_path, read_manifest
from infra.storage.local import LocalModelBucket, LocalModelBucketArgs
from tools.engine.environment import home_directory

_CHECKOUT: Final = Path(__file__).resolve().parent.parent


def main() -> None:
    """Declare the running stack; a user's mistake ends it with one message."""
    try:
        config = load_stack()
        _declare(config)
    except ServestackError as error:
        raise pulumi.RunError(str(error)) from None


def _declare(config: StackConfig) -> None:
    if config.platform is not Platform.LOCAL:
        raise ServestackError(
            f"Pulumi.{pulumi.get_stack()}.yaml: servestack:platform: this version of servestack "
            f"serves on `local` only, not yet on `{config.platform}`. Write: local"
        )
    _declare_local(config)


def _declare_local(config: StackConfig) -> None:
    stack = pulumi.get_stack()
    home = home_directory(_CHECKOUT, os.environ)
    path = bucket_path(config.bucket.path, checkout=_CHECKOUT, home=home, stack=stack)
    _require_published(config, stack, path)
    bucket = LocalModelBucket(
        "models",
        LocalModelBucketArgs(path=path, force_destroy=config.bucket.force_destroy),
    )
    models = {}
    for name, model in config.models.items():
        outputs: dict[str, object] = {
            "target": str(model.target),
            "version": model.version,
            "canary": model.canary and model.canary.model_dump(),
            "rest": None,
            "grpc": None,
            "log": None,
        }
        if model.version is not None:
            served = LocalModel(
                name,
                LocalServerSpec(
                    settings=_settings(name, model, config.local.server),
                    kind=config.local.server,
                    image=config.local.image,
                    container=container_name(home=str(home), stack=stack, model=name),
                    bucket=path,
                    run_dir=home / "run" / stack / name,
                    bind_address=config.local.bind_address,
                ),
                pulumi.ResourceOptions(depends_on=[bucket]),
            )
            outputs |= {"rest": served.rest, "grpc": served.grpc, "log": served.log}
        models[name] = outputs
    pulumi.export("bucket", bucket.url)
    pulumi.export("models", models)


def _require_published(config: StackConfig, stack: str, bucket: Path) -> None:
    """Refuse versions that are not whole in the bucket, all of them at once."""
    problems = []
    for name, model in config.models.items():
        wanted = [("version", model.version)]
        if model.canary:
            wanted.append(("canary.version", model.canary.version))
        wanted += [(f"labels.{label}", version) for label, version in model.labels.items()]
        for key, version in wanted:
            if not isinstance(version, int):
                continue
            try:
                read_manifest(bucket, name, version)
            except ServestackError as error:
                problems.append(f"Pulumi.{stack}.yaml: servestack:models.{name}.{key}: {error}")
    if problems:
        raise ServestackError("\n".join(problems))


def _settings(name: str, model: ModelConfig, kind: str) -> ServingSettings:
    # Our own server is always told the shares, so that a canary comes and goes without a restart;
    # the real one has no such file, and the configuration refuses it a canary.
    alone = dict.fromkeys(model.pinned_versions, 100)
    traffic = (model.traffic or alone) if kind == "process" else {}
    batching = BatchingSettings(**model.batching.model_dump()) if model.batching else None
    return ServingSettings(
        model=name,
        base_path="",
        versions=model.pinned_versions,
        rest_port=(model.ports.rest if model.ports else None) or 0,
        grpc_port=(model.ports.grpc if model.ports else None) or 0,
        labels=model.labels,
        traffic=traffic,
        poll_seconds=model.poll_seconds or 0,
        batching=batching,
        warmup=model.warmup,
        intra_op_threads=model.threads.intra_op if model.threads else None,
        inter_op_threads=model.threads.inter_op if model.threads else None,
        prefer_tflite_model=model.prefer_tflite_model,
    )
