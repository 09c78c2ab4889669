"""One batch from its first line to its last: read ahead a little, ask at once, write in order.

Owns what a failure means: an instance that the model refuses is told of apart and the rest goes
on; what is at fault for all of them ends the run, and the next one goes on there.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final

from pydantic import JsonValue

from model_export.batch.destination import Destination
from model_export.batch.journal import Journal, Progress
from model_export.batch.records import Record, read_records
from model_export.batch.source import Source, check_unchanged
from model_export.client import CallError, Client, Retries
from model_export.errors import ModelExportError, RefusedError
from model_export.tensors import InstanceError

# A request stays well within what any service takes, unless one instance alone is larger.
_BATCH_BYTES: Final = 1 << 20
# Enough that no thread waits while the oldest answer is written.
_READ_AHEAD: Final = 2
_KEEP_SECONDS: Final = 1.0
# A server that is started anew, or scaled up, may be gone for that long.
PATIENT: Final = Retries(attempts=8, first_pause_seconds=0.5, longest_pause_seconds=15.0)
# If nothing but failures came until then, it is not the instances that are at fault.
HOPELESS_COUNT: Final = 100


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be predicted and where the answers go."""

    source: Source
    form: str
    output: Destination
    errors: Destination
    batch_size: int = 32
    concurrency: int = 4
    overwrite: bool = False
    keeps_going: bool = False


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What came of it; of `instances`, `resumed_from` were done by earlier runs."""

    instances: int
    failed: int
    resumed_from: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class _Answer:
    line: int
    size_bytes: int
    prediction: JsonValue = None
    fault: str | None = None


Advance = Callable[[Progress, int], None]


def run(job: Job, client: Client, advance: Advance) -> Summary:
    """Predict all of it; `advance` is told of the progress and of the bytes read."""
    begin = time.monotonic()
    asked = {
        "input": f"{job.source.place} {job.source.tag}",
        "format": job.form,
        **asdict(client.target),
    }
    if client.target.model is None:
        asked["endpoint"] = client.where  # There the endpoint is the model.
    # First of all, so that a wrong name or label fails before anything is written.
    signature = client.signature()
    with Journal(job.output, job.errors, asked).begin(overwrite=job.overwrite) as journal:
        resumed_from = journal.progress.instances
        if not journal.progress.is_complete:
            with closing(job.source.open()) as stream:
                records = read_records(stream, job.form, signature, job.source.place)
                _predict_all(job, client, journal, records, advance)
            check_unchanged(job.source)
            journal.publish()
        return Summary(
            instances=journal.progress.instances,
            failed=journal.progress.failed,
            resumed_from=resumed_from,
            seconds=round(time.monotonic() - begin, 3),
        )


def _predict_all(
    job: Job, client: Client, journal: Journal, records: Iterator[Record], advance: Advance
) -> None:
    done_before = sum(record.size_bytes for record in islice(records, journal.progress.instances))
    advance(journal.progress, done_before)
    pool = ThreadPoolExecutor(job.concurrency, thread_name_prefix="batch")
    waiting: deque[Future[list[_Answer]]] = deque()
    kept = time.monotonic()
    try:
        for batch in _batches(records, job.batch_size):
            waiting.append(pool.submit(_answers, client, batch))
            if len(waiting) >= job.concurrency * _READ_AHEAD:
                _write(job, journal, waiting.popleft().result(), advance)
            if time.monotonic() - kept >= _KEEP_SECONDS:
                journal.keep()
                kept = time.monotonic()
        while waiting:
            _write(job, journal, waiting.popleft().result(), advance)
    except OSError as error:
        raise ModelExportError(
            f"{error.filename or job.output.place}: {error.strerror}. {_GO_ON}"
        ) from error
    except CallError as error:
        done = journal.progress.instances
        if not done:
            raise
        journal.keep()
        raise ModelExportError(f"{error}\nStopped after {done:,} instances. {_GO_ON}") from error
    except ModelExportError:
        journal.keep()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


_GO_ON: Final = "Run the same command again to go on from there."


def _write(job: Job, journal: Journal, answers: Sequence[_Answer], advance: Advance) -> None:
    for answer in answers:
        if answer.fault is None:
            journal.write(output=_line({"line": answer.line, "prediction": answer.prediction}))
        else:
            journal.write(errors=_line({"line": answer.line, "error": answer.fault}))
            progress = journal.progress
            if progress.failed == progress.instances == HOPELESS_COUNT and not job.keeps_going:
                journal.discard()
                raise ModelExportError(
                    f"Each of the first {HOPELESS_COUNT} instances failed, the last with: "
                    f"{answer.fault}\nNothing was written. If the others are better, say "
                    "--keep-going."
                )
    advance(journal.progress, sum(answer.size_bytes for answer in answers))


def _line(document: dict[str, JsonValue]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


def _batches(records: Iterator[Record], batch_size: int) -> Iterator[list[Record]]:
    batch: list[Record] = []
    size_bytes = 0
    for record in records:
        if batch and (len(batch) == batch_size or size_bytes + record.size_bytes > _BATCH_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(record)
        size_bytes += record.size_bytes
    if batch:
        yield batch


def _answers(client: Client, batch: Sequence[Record]) -> list[_Answer]:
    """Read and predict some records; what cannot be read does not go out."""
    instances: list[tuple[Record, Any]] = []
    faults: dict[int, str] = {}
    for record in batch:
        try:
            instances.append((record, record.read()))
        except ValueError as error:
            faults[record.line] = str(error)
    found = {record.line: result for record, result in _asked(client, instances)}
    return [
        _Answer(line=record.line, size_bytes=record.size_bytes, fault=faults[record.line])
        if record.line in faults
        else found[record.line]
        for record in batch
    ]


def _asked(
    client: Client, instances: Sequence[tuple[Record, Any]]
) -> Iterator[tuple[Record, _Answer]]:
    """Predict; of instances that are refused together, find the ones that are at fault."""
    if not instances:
        return
    fault = ""
    predictions: Sequence[JsonValue] = ()
    try:
        predictions = client.predict([instance for _, instance in instances]).rows()
    except RefusedError as error:
        fault = error.reason if isinstance(error, InstanceError) else str(error)
    except CallError as error:
        if error.failure != "instances":
            raise
        fault = str(error)
    if not fault:
        for (record, _), prediction in zip(instances, predictions, strict=True):
            yield (
                record,
                _Answer(line=record.line, size_bytes=record.size_bytes, prediction=prediction),
            )
    elif len(instances) == 1:
        record = instances[0][0]
        yield record, _Answer(line=record.line, size_bytes=record.size_bytes, fault=fault)
    else:
        half = len(instances) // 2
        yield from _asked(client, instances[:half])
        yield from _asked(client, instances[half:])
