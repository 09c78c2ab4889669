"""The engine's protocol without the SDK around it: what only speaks it starts in half the time.

`pulumi.runtime.proto` is generated and needs nothing of the SDK, but importing it would import all
of `pulumi` first. So the packages above it are entered bare. For programs that serve the engine;
everywhere else `pulumi` means the SDK.
"""

import sys
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Final

_ABOVE: Final = ("pulumi", "pulumi.runtime")


def enter() -> None:
    """Let `pulumi.runtime.proto` be imported alone from now on, unless the SDK is there already."""
    if "pulumi" in sys.modules:
        return
    path = None
    for name in _ABOVE:
        spec = PathFinder.find_spec(name, path)
        if spec is None:
            raise ModuleNotFoundError(f"{name} is not installed", name=name)
        module = ModuleType(name)
        path = module.__path__ = list(spec.submodule_search_locations or [])
        module.__spec__ = spec
        sys.modules[name] = module


def leave() -> None:
    """Let `import pulumi` mean the SDK again; what was imported of the protocol stays."""
    for name in _ABOVE:
        if name in sys.modules and not hasattr(sys.modules[name], "__file__"):
            del sys.modules[name]
