"""Taking over what a killed update was creating, where its id is known from its name. Pure.

The state gets the resource with that id; a refresh then finds it, with all that it is, or finds
nothing and takes it out again. Either way nothing is guessed and nothing is made twice.
"""

from collections.abc import Mapping
from typing import Any

from infra.project.gcp_ids import gcp_id, may_be_made_again


def adopted(state: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Give the state without the creations that can be cleared up; None if there are none."""
    deployment = dict(state.get("deployment") or {})
    resources = list(deployment.get("resources") or ())
    left = []
    for operation in deployment.get("pending_operations") or ():
        resource = operation["resource"]
        if operation["type"] != "creating":
            left.append(operation)
        elif (id_ := _id(resource)) is not None:
            resources.append(
                {**resource, "id": id_, "outputs": resource.get("outputs") or resource["inputs"]}
            )
        elif not may_be_made_again(resource["type"]):
            left.append(operation)
    if len(left) == len(deployment.get("pending_operations") or ()):
        return None
    deployment |= {"resources": resources, "pending_operations": left}
    return {**state, "deployment": deployment}


def _id(resource: Mapping[str, Any]) -> str | None:
    return gcp_id(str(resource["type"]), resource.get("inputs") or {})
