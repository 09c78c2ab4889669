"""What every stand-in for a cloud's provider plug-in shares: test code, and no cloud behind it.

The real plug-ins are not to be had without a download; the engine takes any program of the right
name on PATH. Owns the engine's protocol (`ResourceProvider`), the process's life and the journal; a
stand-in derives from `StandIn` and says what its resources do, in plain Python values (see
`values`). It leaves out schemas, remote components and `call`.
"""

import functools
import importlib.metadata
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

import grpc
from google.protobuf import any_pb2, empty_pb2

# Not Pulumi's own copy: that registers the same message under another file's name, and Google's
# clients in the same process then cannot be loaded.
from google.rpc import status_pb2  # type: ignore[import-untyped]

from tests.standins.protocol import plugin_pb2, provider_pb2, provider_pb2_grpc
from tests.standins.values import UNKNOWN, from_struct, has_unknown, to_struct

PARENT_POLL_SECONDS: Final = 1.0
JOURNAL_VARIABLE: Final = "SERVESTACK_TESTS_JOURNAL"
Properties = dict[str, Any]
Property = str | tuple[str | int, ...]


class ResourceError(Exception):
    """What the cloud refused; the message is what the user reads."""


class NotReadyError(Exception):
    """A resource was made or changed, but did not become ready.

    The engine keeps it in the state with these reasons, and updates it next time.
    """

    def __init__(self, reasons: list[str], id_: str, outputs: Properties) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons
        self.id = id_
        self.outputs = outputs


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the engine asks for: of which resource, and as much of the rest as the call has."""

    urn: str
    type: str
    name: str
    id: str = ""
    inputs: Properties = field(default_factory=dict)
    old_inputs: Properties = field(default_factory=dict)
    old_outputs: Properties = field(default_factory=dict)
    preview: bool = False
    timeout_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Inputs with their defaults, and what is wrong with which of them."""

    inputs: Properties
    failures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Which properties changed, and which of them ask for a new resource.

    A property is named, or by its place, where it is not at the top: ("spec", "ports", 0, "port").
    """

    changed: Sequence[Property] = ()
    replacing: Sequence[Property] = ()
    delete_first: bool = False


@dataclass(frozen=True, kw_only=True)
class Found:
    """A resource as it is in the cloud; `inputs` are what a program would write for it."""

    id: str
    inputs: Properties
    outputs: Properties


class StandIn:
    """One cloud's resources. What is not overridden makes a resource of its own inputs."""

    package: ClassVar[str]

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    @property
    def version(self) -> str:
        """The plug-in's version; the engine compares it with the one that the SDK asks for."""
        return importlib.metadata.version(f"pulumi-{self.package}")

    def configure(self, config: Properties) -> None:
        """Take the provider's configuration, before anything else."""

    def check(self, request: Request) -> Checked:
        """Fill in defaults (an automatic name) and refuse what can be refused without the cloud."""
        return Checked(inputs=request.inputs)

    def diff(self, request: Request) -> Difference:
        """Compare; by default every top-level input can be changed in place."""
        return Difference(changed=changed_properties(request.old_inputs, request.inputs))

    def create(self, request: Request) -> tuple[str, Properties]:
        """Make the resource; return its id and its outputs. In a preview, change nothing."""
        raise NotImplementedError

    def read(self, request: Request) -> Found | None:
        """Return what is there, None if nothing is.

        Without old inputs it is an import, or a program's `get`.
        """
        raise NotImplementedError

    def update(self, request: Request) -> Properties:
        """Change the resource in place; return its outputs. In a preview, change nothing."""
        raise NotImplementedError

    def delete(self, request: Request) -> None:
        """Remove the resource; one that is gone already is no fault."""
        raise NotImplementedError

    def invoke(self, function: str, arguments: Properties) -> Properties:
        """Answer a function of the provider."""
        raise ResourceError(f"{self.package}'s stand-in has no function {function} ({arguments})")


def changed_properties(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the top-level properties that differ."""
    return tuple(
        name
        for name in sorted({*old, *new})
        if has_unknown(new.get(name)) or old.get(name) != new.get(name)
    )


def _answering(method: Callable[..., Any]) -> Callable[..., Any]:
    """Tell the engine what a stand-in raised, in the protocol's words."""

    @functools.wraps(method)
    def answer(self: "Servicer", request: Any, context: Any) -> Any:
        try:
            return method(self, request, context)
        except NotReadyError as failure:
            detail = any_pb2.Any()
            detail.Pack(
                provider_pb2.ErrorResourceInitFailed(
                    id=failure.id,
                    properties=to_struct(failure.outputs),
                    reasons=failure.reasons,
                )
            )
            status = status_pb2.Status(
                code=grpc.StatusCode.UNKNOWN.value[0], message=str(failure), details=[detail]
            )
            context.set_trailing_metadata(
                (("grpc-status-details-bin", status.SerializeToString()),)
            )
            context.abort(grpc.StatusCode.UNKNOWN, str(failure))
        except ResourceError as failure:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(failure))

    return answer


# The methods are named and described by the protocol.
# ruff: noqa: N802
class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """The engine's protocol over one stand-in."""

    def __init__(self, stand_in: StandIn, journal: Path | None) -> None:
        self.stand_in = stand_in
        self.journal = journal
        self.writing = threading.Lock()

    def record(self, call: str, request: Request, properties: Properties) -> None:
        """Append what is done for real; previews leave no trace."""
        if self.journal is None or request.preview:
            return
        entry = {"call": call, "type": request.type, "name": request.name, "id": request.id}
        line = json.dumps({**entry, "properties": properties}, default=repr)
        with self.writing, self.journal.open("a") as file:
            file.write(f"{line}\n")

    def Handshake(self, _request: Any, _context: Any) -> Any:
        return provider_pb2.ProviderHandshakeResponse()

    def GetPluginInfo(self, _request: Any, _context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=self.stand_in.version)

    def CheckConfig(self, request: Any, _context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, _context: Any) -> Any:
        old = request.old_inputs if request.HasField("old_inputs") else request.olds
        return _diff_response(
            Difference(changed=changed_properties(from_struct(old), from_struct(request.news))),
            from_struct(old),
            from_struct(request.news),
        )

    @_answering
    def Configure(self, request: Any, _context: Any) -> Any:
        flat = {name.rpartition(":")[2]: value for name, value in request.variables.items()}
        self.stand_in.configure(from_struct(request.args) if request.HasField("args") else flat)
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    @_answering
    def Check(self, message: Any, _context: Any) -> Any:
        old, new = from_struct(message.olds), from_struct(message.news)
        checked = self.stand_in.check(_request(message, old_inputs=old, inputs=new))
        failures = [
            provider_pb2.CheckFailure(property=name, reason=reason)
            for name, reason in checked.failures.items()
        ]
        return provider_pb2.CheckResponse(inputs=to_struct(checked.inputs), failures=failures)

    @_answering
    def Diff(self, message: Any, _context: Any) -> Any:
        old, new = from_struct(message.old_inputs), from_struct(message.news)
        for name in message.ignoreChanges:
            new = {**new, name: old[name]} if name in old else new
        request = _request(
            message, old_inputs=old, old_outputs=from_struct(message.olds), inputs=new
        )
        return _diff_response(self.stand_in.diff(request), old, new)

    @_answering
    def Create(self, message: Any, _context: Any) -> Any:
        request = _request(
            message,
            inputs=from_struct(message.properties),
            preview=message.preview,
            timeout_seconds=message.timeout,
        )
        self.record("create", request, request.inputs)
        id_, outputs = self.stand_in.create(request)
        return provider_pb2.CreateResponse(
            id="" if request.preview else id_, properties=to_struct(outputs)
        )

    @_answering
    def Read(self, message: Any, _context: Any) -> Any:
        found = self.stand_in.read(
            _request(
                message,
                old_inputs=from_struct(message.inputs),
                old_outputs=from_struct(message.properties),
            )
        )
        if found is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=found.id, inputs=to_struct(found.inputs), properties=to_struct(found.outputs)
        )

    @_answering
    def Update(self, message: Any, _context: Any) -> Any:
        request = _request(
            message,
            inputs=from_struct(message.news),
            old_inputs=from_struct(message.old_inputs),
            old_outputs=from_struct(message.olds),
            preview=message.preview,
            timeout_seconds=message.timeout,
        )
        self.record("update", request, request.inputs)
        return provider_pb2.UpdateResponse(properties=to_struct(self.stand_in.update(request)))

    @_answering
    def Delete(self, message: Any, _context: Any) -> Any:
        request = _request(
            message,
            old_inputs=from_struct(message.old_inputs),
            old_outputs=from_struct(message.properties),
            timeout_seconds=message.timeout,
        )
        self.record("delete", request, request.old_inputs)
        self.stand_in.delete(request)
        return empty_pb2.Empty()

    @_answering
    def Invoke(self, request: Any, _context: Any) -> Any:
        returned = self.stand_in.invoke(request.tok, from_struct(request.args))
        response = provider_pb2.InvokeResponse()
        # A field of this name is no argument in Python.
        getattr(response, "return").CopyFrom(to_struct(returned))
        return response

    def Cancel(self, _request: Any, _context: Any) -> Any:
        self.stand_in.cancelled.set()
        return empty_pb2.Empty()


def _request(message: Any, **known: Any) -> Request:
    # urn:pulumi:STACK::PROJECT::PARENT'S TYPE$TYPE::NAME
    _, _, types, name = message.urn.split("::", 3)
    # A check comes before there is an id.
    id_ = getattr(message, "id", "")
    return Request(urn=message.urn, type=types.rpartition("$")[2], name=name, id=id_, **known)


def _diff_response(difference: Difference, old: Properties, new: Properties) -> Any:
    kinds = provider_pb2.PropertyDiff
    replacing = {_place(each) for each in difference.replacing}
    places = {_place(each) for each in difference.changed} | replacing
    detailed = {}
    for place in sorted(places, key=repr):
        verb = "UPDATE"
        if _at(old, place) is None:
            verb = "ADD"
        elif _at(new, place) is None:
            verb = "DELETE"
        suffix = "_REPLACE" if place in replacing else ""
        kind = getattr(kinds, verb + suffix)
        detailed[_path(place)] = kinds(kind=kind, inputDiff=True)
    changes = provider_pb2.DiffResponse
    return provider_pb2.DiffResponse(
        changes=changes.DIFF_SOME if places else changes.DIFF_NONE,
        diffs=sorted({str(place[0]) for place in places}),
        replaces=sorted({str(place[0]) for place in replacing}),
        deleteBeforeReplace=bool(replacing) and difference.delete_first,
        detailedDiff=detailed,
        hasDetailedDiff=True,
    )


def _place(named: Property) -> tuple[str | int, ...]:
    return (named,) if isinstance(named, str) else named


def _path(place: tuple[str | int, ...]) -> str:
    """Write a place as the engine reads it: `spec.ports[0].port`, `labels["a.b/c"]`."""
    parts = []
    for part in place:
        if isinstance(part, int):
            parts.append(f"[{part}]")
        elif part.isidentifier():
            parts.append(f".{part}")
        else:
            parts.append(f"[{json.dumps(part)}]")
    return "".join(parts).removeprefix(".")


def _at(value: Any, place: tuple[str | int, ...]) -> Any:
    for part in place:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            # Where all is unknown, so is every part.
            return value if value is UNKNOWN else None
    return value


def serve(stand_in: StandIn) -> None:
    """Serve the engine that started this process, until it ends us or is gone itself."""
    engine = os.getppid()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    # A resource that is waited for holds a thread.
    server = grpc.server(ThreadPoolExecutor(max_workers=64), options=unlimited)
    journal = os.environ.get(JOURNAL_VARIABLE)
    servicer = Servicer(stand_in, Path(journal) if journal else None)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while not ended.wait(PARENT_POLL_SECONDS) and os.getppid() == engine:
        pass
    stand_in.cancelled.set()
    server.stop(grace=None)
