"""Runs one step in a process of its own, so that a crash of TensorFlow is a finding, not an end.

Owns both ends: `in_clean_process` starts the step, `main` is the step's process. What goes in and
comes out is JSON. The parent never loads TensorFlow, so no step sees what an earlier one left.
"""

import importlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from model_export.errors import ModelExportError, RefusedError

STEPS: Final = {
    "convert": ("model_export.optimise.lite", "convert"),
    "freeze": ("model_export.optimise.serving", "freeze"),
    "measure": ("model_export.optimise.measurement", "measure"),
}
_LOG_LINES: Final = 3
# TensorFlow greets with pages of notes on the hardware that it did not find. The accelerator may be
# in use by a training, and TFLite runs beside it: the figures compare processor with processor.
_ENVIRONMENT: Final = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


def in_clean_process(step: str, **arguments: JsonValue) -> Any:
    """Run a step and give its answer; its own refusals are raised here as they were there."""
    if importlib.util.find_spec("tensorflow") is None:
        raise ModelExportError(
            "TensorFlow is not installed, and nothing can be optimised without it: "
            "pip install 'servestack[export]'."
        )
    with tempfile.TemporaryDirectory(prefix="model-export-") as place:
        answer, log = Path(place, "answer.json"), Path(place, "log")
        with log.open("wb") as stream:
            process = subprocess.run(  # noqa: S603 our own words
                [sys.executable, "-P", "-m", __name__, step, str(answer)],
                input=json.dumps(arguments).encode(),
                stdout=stream,
                stderr=stream,
                check=False,
                env={**_ENVIRONMENT, **os.environ},
            )
        if process.returncode != 0 or not answer.exists():
            raise ModelExportError(
                f"TensorFlow {_end(process.returncode)} in step '{step}'. Its last words: "
                f"{_last_words(log)}"
            )
        document = json.loads(answer.read_bytes())
    if "error" in document:
        raise (RefusedError if document["refused"] else ModelExportError)(document["error"])
    return document["answer"]


def main() -> None:
    """Be the step's process."""
    step, place = sys.argv[1:]
    module, function = STEPS[step]
    arguments = json.load(sys.stdin)
    document: dict[str, JsonValue]
    try:
        document = {"answer": getattr(importlib.import_module(module), function)(**arguments)}
    except ModelExportError as error:
        document = {"error": str(error), "refused": isinstance(error, RefusedError)}
    except Exception as error:  # noqa: BLE001 whatever TensorFlow raises is an answer, not a crash
        kind, text = type(error).__name__, str(error).strip() or "no more is said"
        document = {"error": f"{kind}: {text.splitlines()[0]}", "refused": False}
    Path(place).write_text(json.dumps(document))


def _end(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"crashed with {signal.Signals(-status).name}"
    except ValueError:
        return f"crashed with signal {-status}"


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-_LOG_LINES:]) or "none"


if __name__ == "__main__":
    main()
