"""The cloud behind the stand-in: a directory that outlives the plug-in's processes.

A test looks into it, changes what is there behind the engine's back, and orders faults.
"""

import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

CLOUD_VARIABLE = "SERVESTACK_TESTS_GCP"
Call = Literal["create", "update", "delete", "read"]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What the API answers to a call on a resource; an empty name means each of the type."""

    call: Call
    type: str
    name: str = ""
    message: str = "googleapi: Error 503: the service is unavailable, backendError"


@dataclass(frozen=True, kw_only=True)
class Thing:
    """A resource as it is in the cloud."""

    id: str
    type: str
    name: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]


class Cloud:
    """All there is in the projects of a test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def things(self) -> Iterator[Thing]:
        """Give everything that is there."""
        for file in sorted(self.directory.glob("thing-*.json")):
            # The engine makes and removes several at a time.
            with contextlib.suppress(FileNotFoundError):
                yield Thing(**json.loads(file.read_text()))

    def find(self, id_: str) -> Thing | None:
        """Give a resource by its id."""
        try:
            return Thing(**json.loads(self._file(id_).read_text()))
        except FileNotFoundError:
            return None

    def put(self, thing: Thing) -> None:
        """Make a resource, or change it."""
        draft = self._file(thing.id).with_suffix(".draft")
        draft.write_text(json.dumps(asdict(thing)))
        draft.replace(self._file(thing.id))

    def remove(self, id_: str) -> None:
        """Take a resource away; one that is gone already is no fault."""
        self._file(id_).unlink(missing_ok=True)

    def one(self, type_: str, name: str | None = None) -> Thing:
        """Give the only resource of a type, or the one of a name in the program."""
        found = [one for one in self.things() if one.type == type_ and name in {None, one.name}]
        assert len(found) == 1, f"{len(found)} of {type_} {name or ''}"
        return found[0]

    def change(self, thing: Thing, **inputs: Any) -> None:
        """Change a resource behind the engine's back."""
        changed = {"inputs": {**thing.inputs, **inputs}, "outputs": {**thing.outputs, **inputs}}
        self.put(Thing(**{**asdict(thing), **changed}))

    def order(self, *faults: Fault) -> None:
        """Let these calls fail from now on, and no others."""
        (self.directory / "faults.json").write_text(json.dumps([asdict(one) for one in faults]))

    def fail_each_once(self, call: Call) -> None:
        """Let the first such call on each resource fail, and the next one succeed."""
        (self.directory / f"each-{call}").mkdir(exist_ok=True)

    def answer(self, type_: str, **outputs: Any) -> None:
        """Let resources of a type have these outputs, such as a real cluster's address."""
        self._answers(type_).write_text(json.dumps(outputs))

    def answers(self, type_: str) -> dict[str, Any]:
        """Give the outputs that were ordered for a type."""
        file = self._answers(type_)
        found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        return found

    def _answers(self, type_: str) -> Path:
        return self.directory / f"answers-{type_.replace('/', '.')}.json"

    def hold(self, type_: str, *, before: bool) -> Path:
        """Let whoever makes such a resource wait, before or after it is made, until this is gone.

        The file that is given has the word `waiting` in it as soon as somebody waits.
        """
        file = self._held(type_, before=before)
        file.touch()
        return file

    def wait(self, type_: str, *, before: bool) -> None:
        """Wait if that was ordered."""
        file = self._held(type_, before=before)
        while file.exists():
            file.write_text("waiting")
            time.sleep(0.05)

    def _held(self, type_: str, *, before: bool) -> Path:
        moment = "before" if before else "after"
        return self.directory / f"hold-{moment}-{type_.replace('/', '.')}"

    def forgive(self) -> None:
        """Let nothing fail any more."""
        self.order()
        for directory in self.directory.glob("each-*"):
            shutil.rmtree(directory)

    def fault(self, call: str, type_: str, name: str) -> str | None:
        """Give what the API answers instead of doing it."""
        each = self.directory / f"each-{call}"
        if each.exists():
            failed = each / hashlib.sha256(f"{type_}\0{name}".encode()).hexdigest()[:24]
            if not failed.exists():
                failed.touch()
                return f"googleapi: Error 500: {name} failed once, backendError"
        file = self.directory / "faults.json"
        for one in json.loads(file.read_text()) if file.exists() else ():
            if one["call"] == call and one["type"] == type_ and one["name"] in {"", name}:
                return str(one["message"])
        return None

    def _file(self, id_: str) -> Path:
        return self.directory / f"thing-{hashlib.sha256(id_.encode()).hexdigest()[:24]}.json"
