"""What Vertex AI asks of a model, as far as it is known without asking Google. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from infra.compute.gcp_accelerator_zones import AS_OF, regions_with, zones_with
from infra.compute.gcp_accelerators import ACCELERATORS, NOT_ON_DEMAND
from infra.config.model import ModelConfig, StackConfig
from infra.config.problems import Finding
from infra.config.values import Platform, Target
from infra.config.vertex_values import VertexContainer, VertexEndpoint
from infra.serving.vertex.machines import accelerator_name, default_machine, needs_accelerator

# By what these names mean on Vertex AI.
_DEFAULT, _STABLE, _CANARY = "default", "stable", "canary"
_NUMBERED: Final = re.compile(r"v\d.*")
_LEAST_CHARACTERS: Final = 2
# What only a server of ours can be told.
_SERVER_SETTINGS: Final = ("batching", "threads", "prefer_tflite_model", "warmup")

_At = tuple[str, ...]


def vertex_findings(stack: StackConfig) -> Iterator[Finding]:
    """Give every rule that models of target vertex break."""
    if stack.platform is not Platform.GCP:
        return
    for name, model in stack.models.items():
        if model.target is Target.VERTEX:
            at = ("models", name)
            yield from _aliases(at, model)
            yield from _machine(at, model)
            yield from _region(at, model, stack.gcp.region)
            yield from _container(at, model)
            yield from _endpoint(at, model)
            yield from _scaling(at, model)
    yield from _shared(stack)


def _shared(stack: StackConfig) -> Iterator[Finding]:
    """Refuse two models in one place: each would undo what the other has done."""
    for key in ("model_id", "endpoint_id"):
        first: dict[str, str] = {}
        for name, model in stack.models.items():
            given = getattr(model.vertex, key)
            if model.target is not Target.VERTEX or given is None:
                continue
            if first.setdefault(given, name) != name:
                yield Finding(
                    at=("models", name, "vertex", key),
                    rule=f"{given} is that of model {first[given]} already",
                    remedy="Remove the line, and the model gets one of its own; or write another",
                )


def server_settings(model: ModelConfig) -> tuple[str, ...]:
    """Name the settings in use that a prebuilt container does not take."""
    given = model.model_fields_set
    used = tuple(key for key in _SERVER_SETTINGS if key in given)
    if model.gpu is not None and model.gpu.memory_fraction is not None:
        return (*used, "gpu.memory_fraction")
    return used


def _aliases(at: _At, model: ModelConfig) -> Iterator[Finding]:
    trial = model.canary.version if model.canary else None
    meaning = {_DEFAULT: model.pinned_version, _STABLE: model.pinned_version, _CANARY: trial}
    for label, version in model.labels.items():
        place = (*at, "labels", label)
        if _NUMBERED.fullmatch(label):
            yield Finding(
                at=place,
                rule="v and a number names the version of that number in the registry",
                remedy="Write another label",
            )
        elif label in meaning and meaning[label] != version:
            meant = meaning[label] or "none"
            yield Finding(
                at=place,
                rule=f"{label} is the alias of another version here: {meant}",
                remedy="Remove the line, or write another label",
            )
        elif len(label) < _LEAST_CHARACTERS:
            yield Finding(
                at=place,
                rule="an alias of Vertex AI has at least two characters",
                remedy=f"Write for example: {label}-users: {version}",
            )


def _machine(at: _At, model: ModelConfig) -> Iterator[Finding]:
    gpu, machine = model.gpu, model.vertex.machine_type
    place = (*at, "vertex", "machine_type")
    if gpu is None:
        built_in = machine and needs_accelerator(machine)
        if built_in:
            yield Finding(
                at=place,
                rule=f"{machine} has accelerators, and none is asked for",
                remedy=f"Write: gpu: {{type: {built_in}}}, or another machine",
            )
        return
    known = ACCELERATORS.get(gpu.type)
    if known is None or accelerator_name(gpu.type) is None:
        yield Finding(
            at=(*at, "gpu", "type"),
            rule=f"{gpu.type} is no accelerator of Vertex AI",
            remedy=f"Write one of: {', '.join(ACCELERATORS)}",
        )
        return
    if gpu.count not in known.counts:
        allowed = ", ".join(str(number) for number in known.counts)
        yield Finding(
            at=(*at, "gpu", "count"),
            rule=f"no machine has {gpu.count} of {gpu.type}; there are machines with {allowed}",
            remedy=f"Write for example: count: {known.counts[0]}",
        )
    elif machine and known.fits(machine, gpu.count) is False:
        yield Finding(
            at=place,
            rule=f"{machine} has not {gpu.count} of {gpu.type}",
            remedy=f"Remove the line, or write {known.machines_for(gpu.count)}",
        )
    chosen = machine or default_machine(gpu.type, gpu.count)
    if chosen in NOT_ON_DEMAND and not model.vertex.spot:
        yield Finding(at=place, rule=f"{chosen} is sold as spot only", remedy="Write: spot: true")


def _region(at: _At, model: ModelConfig, region: str | None) -> Iterator[Finding]:
    """Refuse what not even Compute Engine has there; Vertex AI has fewer."""
    kind = model.gpu.type if model.gpu else None
    if kind is not None and region is not None and zones_with(kind, region) == ():
        yield Finding(
            at=(*at, "gpu", "type"),
            rule=f"no zone of {region} had {kind} in {AS_OF}, as far as is known here",
            remedy=f"Write another type, or a region with it: {', '.join(regions_with(kind))}",
        )


def _container(at: _At, model: ModelConfig) -> Iterator[Finding]:
    if model.vertex.container is not VertexContainer.PREBUILT:
        return
    for key in server_settings(model):
        yield Finding(
            at=(*at, *key.split(".")),
            rule="it has no effect: a prebuilt container takes no such setting",
            remedy="Remove it, or write: vertex: {container: tensorflow-serving}",
        )
    if model.vertex.image is not None:
        yield Finding(
            at=(*at, "vertex", "image"),
            rule="it has no effect: a prebuilt container has its own image",
            remedy="Remove the line, or write: container: tensorflow-serving",
        )


def _endpoint(at: _At, model: ModelConfig) -> Iterator[Finding]:
    place = (*at, "vertex", "allowed_projects")
    is_private = model.vertex.endpoint is VertexEndpoint.PRIVATE
    if is_private and not model.vertex.allowed_projects:
        yield Finding(
            at=place,
            rule="is missing; without it nobody reaches a private endpoint",
            remedy="Write for example: allowed_projects: [example-apps]",
        )
    if model.vertex.allowed_projects and not is_private:
        yield Finding(
            at=place,
            rule="it has no effect: only a private endpoint has such a list",
            remedy="Remove it, or write: endpoint: private-service-connect",
        )


def _scaling(at: _At, model: ModelConfig) -> Iterator[Finding]:
    place = (*at, "vertex", "target_gpu_percent")
    if model.vertex.target_gpu_percent is None:
        return
    if model.gpu is None or model.autoscaling is None:
        missing = "gpu" if model.gpu is None else "autoscaling"
        yield Finding(
            at=place,
            rule=f"it has no effect without {missing}",
            remedy=f"Remove the line, or write the section {missing}",
        )
