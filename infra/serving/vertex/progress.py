"""Telling the engine where a long operation stands, and noticing that the engine is gone.

A dynamic provider is started with the engine's address as its first argument, and the engine shows
what is logged to it beside the resource whose URN is named, and forgets it afterwards.
"""

import sys
from collections.abc import Callable
from functools import cache
from typing import Any, Final

Tell = Callable[[str], None]

_SECONDS: Final = 10.0


class EngineGoneError(Exception):
    """Nobody waits for the answer: whoever runs the engine next goes on from here."""


def tell_engine(urn: str) -> Tell:
    """Give a way to say where the resource stands; it raises when the engine was killed."""

    def tell(text: str) -> None:
        # Not a program's argument but an engine's: elsewhere there is nobody to tell.
        if len(sys.argv) < 2 or ":" not in sys.argv[-1]:  # noqa: PLR2004 - itself and the address
            return
        import grpc  # noqa: PLC0415 only where there is an engine
        from pulumi.runtime.proto import engine_pb2  # noqa: PLC0415

        request = engine_pb2.LogRequest(
            severity=engine_pb2.INFO, message=text, urn=urn, ephemeral=True
        )
        try:
            _engine(sys.argv[-1]).Log(request, timeout=_SECONDS)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                raise EngineGoneError from error

    return tell


@cache
def _engine(address: str) -> Any:
    import grpc  # noqa: PLC0415 only where there is an engine
    from pulumi.runtime.proto import engine_pb2_grpc  # noqa: PLC0415

    return engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))
