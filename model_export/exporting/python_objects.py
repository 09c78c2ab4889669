"""Python objects that a command line names: FILE.py:OBJECT or MODULE:OBJECT."""

import importlib
import sys
from pathlib import Path
from typing import Any

from model_export.errors import RefusedError


def named_thing(text: str) -> Any:
    """Give the object; a path is given back as it is."""
    module, colon, name = text.rpartition(":")
    if not colon or Path(text).exists():
        return text
    thing = import_module(module)
    for part in name.split("."):
        if not hasattr(thing, part):
            raise RefusedError(f"{text}: {module} has no '{name}'.")
        thing = getattr(thing, part)
    return thing


def import_module(text: str) -> Any:
    """Run a Python file, or import a module as Python would from here."""
    if text.endswith(".py") and not Path(text).is_file():
        raise RefusedError(f"There is no {text}.")
    try:
        if not text.endswith(".py"):
            if "" not in sys.path:
                sys.path.insert(0, "")
            return importlib.import_module(text)
        # What lies beside a file can be imported by it, as when it is run.
        path = Path(text).resolve()
        sys.path.insert(0, str(path.parent))
        return importlib.import_module(path.stem)
    except SystemExit as error:
        raise RefusedError(
            f"Cannot import {text}: it ends the program (exit code {error.code}). Put what only a "
            "run of it shall do below: if __name__ == '__main__':"
        ) from error
    # Whatever the user's own file raises.
    except Exception as error:
        raise RefusedError(
            f"Cannot import {text}: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        ) from error
