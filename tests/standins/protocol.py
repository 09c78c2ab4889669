"""The engine's protocol without the SDK around it: a plug-in starts in a third of the time.

`pulumi.runtime.proto` is all that a stand-in needs, and importing it would import all of `pulumi`.
So the packages above it are entered bare. Who needs the SDK itself calls `with_sdk` first.
"""

import os
import sys
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Final

# Set by the launchers.
PLUGIN_VARIABLE: Final = "SERVESTACK_TESTS_PLUGIN"
_ABOVE: Final = ("pulumi", "pulumi.runtime")


def _enter_bare() -> None:
    path = None
    for name in _ABOVE:
        spec = PathFinder.find_spec(name, path)
        assert spec is not None, f"{name} is not installed"
        module = ModuleType(name)
        path = module.__path__ = list(spec.submodule_search_locations or [])
        module.__spec__ = spec
        sys.modules[name] = module


def with_sdk() -> None:
    """Let `import pulumi` mean the SDK again; what was imported of the protocol stays."""
    for name in _ABOVE:
        if name in sys.modules and not hasattr(sys.modules[name], "__file__"):
            del sys.modules[name]


# Only in a plug-in's own process: everywhere else `pulumi` means the SDK.
if os.environ.get(PLUGIN_VARIABLE) and "pulumi" not in sys.modules:
    _enter_bare()

from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc  # noqa: E402 - only now

__all__ = ["PLUGIN_VARIABLE", "plugin_pb2", "provider_pb2", "provider_pb2_grpc", "with_sdk"]
