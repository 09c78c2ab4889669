"""ModelService: what is registered."""

from typing import Any

from google.cloud import aiplatform_v1 as v1
from google.protobuf import empty_pb2

from tests.vertex.server.api_error import exists, invalid, missing, precondition
from tests.vertex.server.world import Model, World, check_labels, check_upload

_DONE = v1.DeleteOperationMetadata()


def upload_model(world: World, request: Any) -> Any:
    parent = world.canonical(request.parent)
    check_upload(request.model_id, request.model)
    if request.parent_model:
        base = world.canonical(request.parent_model)
        world.require_model(base)
    else:
        base = f"{parent}/models/{request.model_id}"
        if base in world.models:
            raise exists(f"Model {base} exists already; upload a version with parent_model.")
    world.require_idle(base)
    is_new = base not in world.models
    return world.operations.start(
        "UploadModel",
        base,
        v1.UploadModelOperationMetadata(),
        lambda: world.register(base, request.model, is_new=is_new),
    )


def get_model(world: World, request: Any) -> Any:
    return world.version(world.canonical(request.name))


def list_model_versions(world: World, request: Any) -> Any:
    base = world.canonical(request.name)
    model = world.require_model(base)
    shown = [world.shown(base, message) for message in model.versions.values()]
    # A page holds one version, so that whoever reads has to ask for the next.
    at = int(request.page_token or 0)
    more = str(at + 1) if at + 1 < len(shown) else ""
    return v1.ListModelVersionsResponse(models=shown[at : at + 1], next_page_token=more)


def update_model(world: World, request: Any) -> Any:
    name = world.canonical(request.model.name)
    base, _, number = name.partition("@")
    message = world.require_model(base).versions.get(number)
    if message is None:
        raise missing(f"Model version {name} is not found.")
    for path in request.update_mask.paths:
        if path not in {"labels", "version_description"}:
            raise precondition(f"{path} is no field of a version.")
        setattr(message, path, getattr(request.model, path))
    check_labels(message.labels)
    return world.shown(base, message)


def merge_version_aliases(world: World, request: Any) -> Any:
    name = world.canonical(request.name)
    base, _, number = name.partition("@")
    model = world.require_model(base)
    if number not in model.versions:
        raise missing(f"Model version {name} is not found.")
    for word in request.version_aliases:
        if word == "-default":
            raise precondition("There must be exactly one default version.")
        if word.startswith("-"):
            held = model.versions[number].version_aliases
            if word[1:] in held:
                held.remove(word[1:])
        else:
            world.move_alias(model, number, word)
    return world.shown(base, model.versions[number])


def delete_model_version(world: World, request: Any) -> Any:
    name = world.canonical(request.name)
    base, _, number = name.partition("@")
    model = world.require_model(base)
    if number not in model.versions:
        raise missing(f"Model version {name} is not found.")
    world.require_idle(base)
    shown = world.shown(base, model.versions[number])
    if shown.deployed_models:
        raise precondition(f"Model version {name} is deployed.")
    if len(model.versions) == 1:
        raise precondition("The only version cannot be deleted; delete the model.")
    if "default" in shown.version_aliases:
        raise precondition("The default version cannot be deleted.")

    def delete() -> Any:
        del model.versions[number]
        return empty_pb2.Empty()

    return world.operations.start("DeleteModelVersion", base, _DONE, delete)


def delete_model(world: World, request: Any) -> Any:
    base = world.canonical(request.name)
    if "@" in base:
        raise invalid("A model's name has no version.")
    model = world.require_model(base)
    world.require_idle(base)
    for message in model.versions.values():
        if world.shown(base, message).deployed_models:
            raise precondition(f"Model {base} is deployed.")

    def delete() -> Any:
        world.models.pop(base, Model())
        return empty_pb2.Empty()

    return world.operations.start("DeleteModel", base, _DONE, delete)
