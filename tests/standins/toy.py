"""A stand-in for no cloud at all: its things are files in a directory. Proves the base."""

import json
from pathlib import Path

from tests.standins.provider import (
    Checked,
    Difference,
    Found,
    NotReadyError,
    Properties,
    Request,
    ResourceError,
    StandIn,
    changed_properties,
    serve,
)


class Toy(StandIn):
    package = "toy"
    version = "1.0.0"
    directory: Path

    def configure(self, config: Properties) -> None:
        self.directory = Path(config["directory"])

    def check(self, request: Request) -> Checked:
        failures = {"size": "must not be negative"} if request.inputs.get("size", 0) < 0 else {}
        return Checked(inputs={"colour": "grey", **request.inputs}, failures=failures)

    def diff(self, request: Request) -> Difference:
        changed = changed_properties(request.old_inputs, request.inputs)
        replacing = tuple(name for name in changed if name == "file")
        return Difference(changed=changed, replacing=replacing, delete_first=True)

    def create(self, request: Request) -> tuple[str, Properties]:
        name = request.inputs["file"]
        if (self.directory / name).exists():
            raise ResourceError(f"{name} exists already")
        return name, self.update(request)

    def read(self, request: Request) -> Found | None:
        file = self.directory / request.id
        if not file.exists():
            return None
        found = json.loads(file.read_text())
        return Found(id=request.id, inputs=found, outputs=found)

    def update(self, request: Request) -> Properties:
        inputs = request.inputs
        if not request.preview:
            (self.directory / inputs["file"]).write_text(json.dumps(inputs))
            if inputs["colour"] == "black":
                raise NotReadyError(["it is too dark"], inputs["file"], inputs)
        return inputs

    def delete(self, request: Request) -> None:
        (self.directory / request.id).unlink(missing_ok=True)

    def invoke(self, function: str, arguments: Properties) -> Properties:
        if function != "toy:index:count":
            return super().invoke(function, arguments)
        return {"count": len(list(self.directory.iterdir()))}


if __name__ == "__main__":
    serve(Toy())
