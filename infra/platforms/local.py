"""A stack on this machine: a directory as bucket, and a server process for each model."""

import pulumi

from infra.config import ModelConfig
from infra.names import container_name
from infra.platforms.published import require_published
from infra.platforms.serving import serving_settings
from infra.platforms.stack import RunningStack, StackOutputs, configured_outputs
from infra.serving.local.component import LocalModel
from infra.serving.local.server import LocalServerSpec
from infra.serving.settings import ServingSettings
from infra.storage.directory import bucket_path
from infra.storage.local import LocalModelBucket, LocalModelBucketArgs
from infra.storage.published import PublishedModels


def declare(stack: RunningStack) -> StackOutputs:
    """Declare the bucket and the servers; a paused stack has none."""
    config = stack.config
    path = bucket_path(
        config.bucket.path, checkout=stack.checkout, home=stack.home, stack=stack.name
    )
    require_published(config, stack.file_name, PublishedModels(path.as_uri()))
    bucket = LocalModelBucket(
        "models",
        LocalModelBucketArgs(path=path, force_destroy=config.bucket.force_destroy),
    )
    models = configured_outputs(config)
    for name, model in config.models.items():
        if model.version is None or config.paused:
            continue
        served = LocalModel(
            name,
            LocalServerSpec(
                settings=_settings(name, model, config.local.server),
                kind=config.local.server,
                image=config.local.image,
                container=container_name(home=str(stack.home), stack=stack.name, model=name),
                bucket=path,
                run_dir=stack.home / "run" / stack.name / name,
                bind_address=config.local.bind_address,
            ),
            pulumi.ResourceOptions(depends_on=[bucket]),
        )
        models[name] |= {"rest": served.rest, "grpc": served.grpc, "log": served.log}
    return StackOutputs(bucket=bucket.url, models=models, more={})


def _settings(name: str, model: ModelConfig, kind: str) -> ServingSettings:
    # Our own server is always told the shares, so that a canary comes and goes without a restart;
    # the real one has no such file, and the configuration refuses it a canary.
    alone = dict.fromkeys(model.pinned_versions, 100)
    return serving_settings(
        name,
        model,
        versions=model.pinned_versions,
        rest_port=(model.ports.rest if model.ports else None) or 0,
        grpc_port=(model.ports.grpc if model.ports else None) or 0,
        traffic=(model.traffic or alone) if kind == "process" else {},
    )
