"""The lines that count: what was written, and up to where it is known to be whole.

While a batch runs, its lines go to `OUTPUT.partial` and `ERRORS.partial`, and `OUTPUT.journal` says
after each bit of work how long both are and how many instances that is. Whatever lies beyond is cut
off when the next run begins, so a line is never there by half nor twice. At the end both get their
names, the output last, and the journal goes.
"""

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from pydantic import JsonValue

from model_export.batch.destination import Destination
from model_export.errors import ModelExportError, RefusedError

_SCHEMA: Final = 1


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a batch is; the next run begins there."""

    instances: int = 0
    failed: int = 0
    output_bytes: int = 0
    errors_bytes: int = 0
    is_complete: bool = False


class Journal:
    """The files of one batch; a context in which no other run may write them."""

    def __init__(
        self, output: Destination, errors: Destination, asked: Mapping[str, JsonValue]
    ) -> None:
        self._output = output
        self._errors = errors
        self._asked = {"schema": _SCHEMA, **asked}
        self._log_path = _beside(output, ".journal")
        self._files: list[IO[bytes]] = []
        self._is_held = False
        self.progress = Progress()

    def begin(self, *, overwrite: bool) -> Self:
        """Go on where an earlier run of the same batch stopped, or begin.

        Afterwards all may be done: a run may be killed when only the names were missing.
        """
        known: list[dict[str, Any]] = []
        try:
            self._lock()
            known = [] if overwrite else self._read_log()
            if known:
                self._resume(known)
            else:
                if not overwrite:
                    self._refuse_existing()
                self._log.truncate(0)
                self._append(self._asked)
            if self.progress.is_complete:
                self._name_files()
            else:
                self._open()
        except OSError as error:
            self._forget(known)
            raise ModelExportError(
                f"{error.filename or self._output.place}: {error.strerror}."
            ) from error
        except ModelExportError:
            self._forget(known)
            raise
        return self

    def _forget(self, known: Sequence[Mapping[str, Any]]) -> None:
        """Leave nothing of a run that could not begin; what an earlier one left stays."""
        if self._is_held and not known:
            self.discard()
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Where nothing was done there is nothing to go on from, and the next run may ask otherwise.
        if error is not None and not self.progress.instances:
            self.discard()
        self._close()

    def write(self, *, output: bytes = b"", errors: bytes = b"") -> None:
        """Add the line of one instance to the output, or to the errors."""
        self._files[1].write(output)
        self._files[2].write(errors)
        now = self.progress
        self.progress = Progress(
            instances=now.instances + 1,
            failed=now.failed + bool(errors),
            output_bytes=now.output_bytes + len(output),
            errors_bytes=now.errors_bytes + len(errors),
        )

    def keep(self) -> None:
        """Make all lines so far count, whatever happens next."""
        for file in self._files[1:]:
            file.flush()
            os.fsync(file.fileno())
        self._append(asdict(self.progress))

    def publish(self) -> None:
        """Give the files their names; errors where there are any."""
        self.progress = replace(self.progress, is_complete=True)
        self.keep()
        self._name_files()

    def discard(self) -> None:
        """Forget everything, so that the next run begins anew."""
        for place in (self._output, self._errors):
            _beside(place, ".partial").unlink(missing_ok=True)
        self._log_path.unlink(missing_ok=True)

    @property
    def _log(self) -> IO[bytes]:
        return self._files[0]

    def _lock(self) -> None:
        self._files.append(self._log_path.open("a+b"))
        try:
            fcntl.flock(self._log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another run may have ended, and taken its journal away, since we opened it.
            is_ours = os.fstat(self._log.fileno()).st_ino == self._log_path.stat().st_ino
        except (BlockingIOError, FileNotFoundError):
            is_ours = False
        if not is_ours:
            raise RefusedError(f"Output {self._output.place} is being written by another run.")
        self._is_held = True

    def _read_log(self) -> list[dict[str, Any]]:
        """Read what the last run left; of a line that a kill cut short nothing was done yet."""
        self._log.seek(0)
        lines: list[dict[str, Any]] = []
        end = 0
        for line in self._log:
            if not line.endswith(b"\n"):
                break
            lines.append(json.loads(line))
            end += len(line)
        self._log.truncate(end)
        return lines

    def _resume(self, known: list[dict[str, Any]]) -> None:
        other = sorted(key for key in self._asked if known[0].get(key) != self._asked[key])
        if other:
            raise RefusedError(
                f"Output {self._output.place} was begun with another {' and '.join(other)}. Run "
                "with the same again, or with --overwrite to begin anew."
            )
        if len(known) == 1:
            return
        self.progress = Progress(**known[-1])
        if self.progress.is_complete:
            return
        for place, size_bytes in (
            (self._output, self.progress.output_bytes),
            (self._errors, self.progress.errors_bytes),
        ):
            partial = _beside(place, ".partial")
            if size_bytes and (not partial.exists() or partial.stat().st_size < size_bytes):
                raise RefusedError(
                    f"{partial} is not as the last run left it. Run with --overwrite to begin anew."
                )

    def _open(self) -> None:
        for place, size_bytes in (
            (self._output, self.progress.output_bytes),
            (self._errors, self.progress.errors_bytes),
        ):
            file = _beside(place, ".partial").open("ab")
            self._files.append(file)
            file.truncate(size_bytes)

    def _refuse_existing(self) -> None:
        for place in (self._output, self._errors):
            if place.exists():
                raise RefusedError(
                    f"{place.place} exists. Give another name, or --overwrite to replace it when "
                    "all is done."
                )

    def _append(self, line: Mapping[str, Any]) -> None:
        self._log.write(json.dumps(line).encode() + b"\n")
        self._log.flush()
        os.fsync(self._log.fileno())

    def _name_files(self) -> None:
        errors = _beside(self._errors, ".partial")
        if not self.progress.failed:
            errors.unlink(missing_ok=True)
            self._errors.remove()
        elif errors.exists():
            self._errors.take(errors)
        output = _beside(self._output, ".partial")
        if output.exists():
            self._output.take(output)
        self._log_path.unlink()

    def _close(self) -> None:
        for file in self._files:
            # A full disk has been told of; what was not kept is cut off by the next run.
            with suppress(OSError):
                file.close()


def _beside(place: Destination, ending: str) -> Path:
    return place.work.with_name(place.work.name + ending)
