"""The process that a model is tried in: started, listened to, and ended whatever it does.

Owns the finding of a trial that died or hung. What a trial does is `trial`'s.
"""

import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import IO, Any, Final

from model_export.errors import ModelExportError
from model_export.trial import JOB, STARTING, Job
from model_export.verdict import Finding, Run

# TensorFlow's own start is no fault of the model.
_START_SECONDS: Final = 180.0
_CHUNK_BYTES: Final = 1 << 16
_LAST_WORDS_BYTES: Final = 4096


class _HangError(Exception):
    """No word for too long."""


def run_trial(job: Job, step_seconds: float) -> tuple[list[Finding], tuple[Run, ...]]:
    """Try the model; a step that takes longer than this is given up."""
    if importlib.util.find_spec("tensorflow") is None:
        raise ModelExportError(
            "TensorFlow is not installed, and no model can be tried without it: "
            "pip install 'servestack[export]'. `model-export inspect` needs none."
        )
    findings: list[Finding] = []
    runs: list[Run] = []
    step = STARTING
    with tempfile.TemporaryFile() as noise:
        process, report = _started(noise)
        try:
            # One that died at once is told of below.
            with suppress(BrokenPipeError), process.stdin as stdin:
                stdin.write(JOB.dump_json(job))
            for document in _reports(report, step_seconds):
                step = document.get("step", step)
                if "finding" in document:
                    findings.append(Finding(**document["finding"]))
                if "run" in document:
                    runs.append(Run(**document["run"]))
            status = process.wait(step_seconds)
        except (_HangError, subprocess.TimeoutExpired):
            findings.append(_hung(step, step_seconds))
            status = 0
        finally:
            os.close(report)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if status:
            findings.append(_died(step, status, noise))
    return findings, tuple(runs)


def _started(noise: IO[bytes]) -> tuple[Any, int]:
    """Start the process in a session of its own, and give the end of its report."""
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603 this Python, a module of ours
            [sys.executable, "-m", "model_export.trial", str(writing), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=noise,
            stderr=noise,
            pass_fds=(writing,),
            start_new_session=True,
            env=_environment(os.environ),
        )
    finally:
        os.close(writing)
    return process, reading


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Keep off the accelerator, which a training may be using, unless told otherwise."""
    return {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", **environ}


def _reports(descriptor: int, step_seconds: float) -> Iterator[dict[str, Any]]:
    """Give each line as it comes, up to the end of the process."""
    rest = b""
    patience = max(_START_SECONDS, step_seconds)
    while True:
        deadline = time.monotonic() + patience
        while b"\n" not in rest:
            ready, _, _ = select.select([descriptor], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise _HangError
            chunk = os.read(descriptor, _CHUNK_BYTES)
            if not chunk:
                return
            rest += chunk
        line, _, rest = rest.partition(b"\n")
        document: dict[str, Any] = json.loads(line)
        if document.get("step") != STARTING:
            patience = step_seconds
        yield document


def _hung(step: str, step_seconds: float) -> Finding:
    return Finding(
        level="error",
        check="process",
        message=f"{step}: not done after {step_seconds:g} s, so it was ended",
        remedy="If the model is only slow, give it more (--timeout).",
    )


def _died(step: str, status: int, noise: IO[bytes]) -> Finding:
    how = f"ended with {status}" if status > 0 else f"died of {signal.Signals(-status).name}"
    killed = status == -signal.SIGKILL
    return Finding(
        level="error",
        check="process",
        message=f"{step}: the process {how}{_last_words(noise)}",
        remedy="Somebody killed it, most likely the system for want of memory."
        if killed
        else "A server would go down with it; export the model without what does this.",
    )


def _last_words(noise: IO[bytes]) -> str:
    """Give the last line that the process wrote."""
    noise.seek(max(0, noise.seek(0, os.SEEK_END) - _LAST_WORDS_BYTES))
    lines = noise.read().decode(errors="replace").strip().splitlines()
    return f": {lines[-1]}" if lines else ""
