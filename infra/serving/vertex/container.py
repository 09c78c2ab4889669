"""Which container serves a version on Vertex AI, and how it is started. Pure.

Google's prebuilt containers end with TensorFlow 2.15 and take no settings; Vertex copies the
version to them. TF Serving's own image reads the version from the model bucket itself, as the
deployment's service account: its arguments and files are those of every other target, and nothing
is copied. docs/adr/0017 has the reasons.
"""

import math
import re
from dataclasses import replace
from typing import Final, Literal

from infra.serving.rendering import render
from infra.serving.settings import ServingSettings
from infra.serving.vertex.specs import ContainerSpec

ContainerChoice = Literal["prebuilt", "tensorflow-serving"]

REST_PORT: Final = 8080
_GRPC_PORT: Final = 8500
_CONFIG_DIR: Final = "/tmp/servestack"  # noqa: S108 - inside the container, which is ours alone
_FILE_VARIABLE: Final = "SERVESTACK_FILE_"

_PREBUILT_MINORS: Final = range(1, 16)
_TENSORFLOW: Final = re.compile(r"(\d+)\.(\d+)(?:\.|$|[a-z-])")
_REGISTRIES: Final = {"europe": "europe", "asia": "asia", "australia": "asia"}

# The version is fixed, and every look into the bucket is billed: look once a year.
_POLL_SECONDS: Final = 31_536_000
# What does not load is told soon: the deployment fails, and what served before still does.
_OWN_FLAGS: Final = ("--max_num_load_retries=2", "--load_retry_interval_micros=5000000")
_STARTUP_SECONDS: Final = 300
_LOADED_BYTES_PER_SECOND: Final = 20_000_000
# The service itself gives a deployment two hours at most.
_MOST_STARTUP_SECONDS: Final = 6_600


def prebuilt_image(tensorflow_version: str, *, region: str, gpu: bool) -> str | None:
    """Give Google's image for a TensorFlow version; None where there is none."""
    found = _TENSORFLOW.match(tensorflow_version)
    if found is None or found[1] != "2" or int(found[2]) not in _PREBUILT_MINORS:
        return None
    registry = _REGISTRIES.get(region.partition("-")[0], "us")
    kind = "gpu" if gpu else "cpu"
    return f"{registry}-docker.pkg.dev/vertex-ai/prediction/tf2-{kind}.2-{found[2]}:latest"


def tf_serving_container(
    settings: ServingSettings, *, image: str, size_bytes: int
) -> ContainerSpec:
    """Start TF Serving's image with these settings; their ports are Vertex's to choose."""
    model, version = settings.model, settings.versions[0]
    rendered = render(_on_vertex(settings), config_dir=_CONFIG_DIR)
    files = {name: _variable(name) for name in sorted(rendered.files)}
    # The image has a shell, which its own entry point needs too.
    write = " && ".join(
        f'printf %s "${variable}" > {_CONFIG_DIR}/{name}' for name, variable in files.items()
    )
    script = f'mkdir -p {_CONFIG_DIR} && {write} && exec tensorflow_model_server "$@"'
    return ContainerSpec(
        image=image,
        command=("/bin/bash", "-c", script, "tensorflow_model_server"),
        args=tuple(_unexpanded(flag) for flag in (*rendered.flags, *_OWN_FLAGS)),
        env={variable: _unexpanded(rendered.files[name]) for name, variable in files.items()},
        port=REST_PORT,
        predict_route=f"/v1/models/{model}:predict",
        # The status answers 200 while a version still loads; its metadata only when it serves.
        health_route=f"/v1/models/{model}/versions/{version}/metadata",
        startup_seconds=_startup_seconds(size_bytes),
    )


def _on_vertex(settings: ServingSettings) -> ServingSettings:
    return replace(
        settings,
        rest_port=REST_PORT,
        grpc_port=_GRPC_PORT,
        poll_seconds=_POLL_SECONDS,
        # Nobody can reach the container to read its metrics.
        monitoring=False,
    )


def _startup_seconds(size_bytes: int) -> int:
    loading = math.ceil(size_bytes / _LOADED_BYTES_PER_SECOND)
    return min(_STARTUP_SECONDS + loading, _MOST_STARTUP_SECONDS)


def _variable(file_name: str) -> str:
    return _FILE_VARIABLE + re.sub(r"[^A-Z0-9]", "_", file_name.upper())


def _unexpanded(text: str) -> str:
    # Vertex puts a variable's value in place of $(NAME), in arguments and in other variables.
    return text.replace("$(", "$$(")
