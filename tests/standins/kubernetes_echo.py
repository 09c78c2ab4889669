"""A stand-in for pulumi-kubernetes that takes what it is told: for stacks whose cloud is tested.

It keeps objects where the cloud's stand-in keeps its resources, so that a test can look at them and
order faults. What a real API server says of an object is tested elsewhere.
"""

import os
from pathlib import Path

from tests.standins.gcp_cloud import CLOUD_VARIABLE, Cloud, Thing
from tests.standins.provider import (
    Checked,
    Difference,
    Found,
    Properties,
    Request,
    ResourceError,
    StandIn,
    changed_properties,
    serve,
)
from tests.standins.values import has_unknown


class KubernetesEcho(StandIn):
    """The plug-in."""

    package = "kubernetes"

    def __init__(self) -> None:
        super().__init__()
        self.cloud = Cloud(Path(os.environ[CLOUD_VARIABLE]))

    def check(self, request: Request) -> Checked:
        if "name" not in request.inputs.get("metadata", {}):
            raise ResourceError(f"{request.name}: an object of a stack has a name of its own")
        return Checked(inputs=request.inputs)

    def diff(self, request: Request) -> Difference:
        changed = changed_properties(request.old_inputs, request.inputs)
        before, after = (
            {name: inputs["metadata"].get(name) for name in ("name", "namespace")}
            for inputs in (request.old_inputs, request.inputs)
        )
        return Difference(changed=changed, replacing=("metadata",) if before != after else ())

    def create(self, request: Request) -> tuple[str, Properties]:
        if request.preview or has_unknown(request.inputs):
            return "", request.inputs
        metadata = request.inputs["metadata"]
        place = metadata.get("namespace", "")
        return self._put(request, f"{request.type}:{place}/{metadata['name']}", "create")

    def read(self, request: Request) -> Found | None:
        found = self.cloud.find(request.id)
        if found is None:
            return None
        return Found(id=found.id, inputs=dict(found.inputs), outputs=dict(found.outputs))

    def update(self, request: Request) -> Properties:
        if request.preview or has_unknown(request.inputs):
            return request.inputs
        return self._put(request, request.id, "update")[1]

    def delete(self, request: Request) -> None:
        self._refuse(request, "delete")
        self.cloud.remove(request.id)

    def _put(self, request: Request, id_: str, call: str) -> tuple[str, Properties]:
        self._refuse(request, call)
        thing = Thing(
            id=id_,
            type=request.type,
            name=request.name,
            inputs=request.inputs,
            outputs=request.inputs,
        )
        self.cloud.put(thing)
        return id_, request.inputs

    def _refuse(self, request: Request, call: str) -> None:
        message = self.cloud.fault(call, request.type, request.name)
        if message is not None:
            raise ResourceError(message)


if __name__ == "__main__":
    serve(KubernetesEcho())
