"""Whole batches against the real server, also killed, cut off and against a failing one."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from model_export.cli import main
from model_export.client import Retries

if TYPE_CHECKING:
    from tests.server.core.running import RunningServer

# The server and its models take seconds to make.
_slow = pytest.mark.slow


def _batch(directory: Path, endpoint: str, *options: object, model: str = "versioned") -> Result:
    arguments = ["--output", directory / "out", "--endpoint", endpoint, *options]
    if model:
        arguments += ["--model", model]
    result = CliRunner().invoke(main, ["batch", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def _numbers(directory: Path, numbers: Iterable[object]) -> Path:
    path = directory / "in.jsonl"
    path.write_text("".join(f"{number}\n" for number in numbers))
    return path


@_slow
def test_predictions_keep_the_order_and_failures_lie_apart(endpoint: str, tmp_path: Path) -> None:
    numbers: list[object] = list(range(1000))
    numbers[7], numbers[500], numbers[999] = '"x"', "{", "[1]"
    source = _numbers(tmp_path, numbers)
    options = ("--input", source, "--batch-size", 16, "--label", "stable")
    result = _batch(tmp_path, endpoint, *options)
    assert result.exit_code == 1
    assert result.stdout.startswith("Predicted 997 of 1,000 instances, in ")
    assert result.stderr == f"3 failed: {tmp_path / 'out.errors'}\n"
    assert _lines(tmp_path / "out") == [
        {"line": number + 1, "prediction": {"version": 1.0, "x": float(number)}}
        for number in range(1000)
        if number not in {7, 500, 999}
    ]
    errors = _lines(tmp_path / "out.errors")
    assert [error["line"] for error in errors] == [8, 501, 1000]
    assert all(error["error"] for error in errors)
    assert _names(tmp_path) == ["in.jsonl", "out", "out.errors"]


@_slow
def test_a_model_that_fails_on_one_instance_answers_the_others(
    endpoint: str, tmp_path: Path
) -> None:
    source = _numbers(tmp_path, ["[1, 2]", "[-1, 2]", "[3, 4]"])
    result = _batch(tmp_path, endpoint, "--input", source, model="observer")
    assert result.exit_code == 1
    assert [line["prediction"]["sum"] for line in _lines(tmp_path / "out")] == [3.0, 7.0]
    (error,) = _lines(tmp_path / "out.errors")
    assert error["line"] == 2
    assert "answered" in error["error"]


@_slow
def test_csv_and_examples_go_in_by_the_models_types(endpoint: str, tmp_path: Path) -> None:
    import tensorflow as tf  # noqa: PLC0415 seconds

    (tmp_path / "rows.csv").write_text("id,words\n1,alpha\n2,\n3,gamma\n")
    result = _batch(tmp_path, endpoint, "--input", tmp_path / "rows.csv", "--json", model="words")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["instances"] == 3
    assert [line["prediction"]["index"] for line in _lines(tmp_path / "out")] == [0, -1, 2]
    path = str(tmp_path / "examples.tfrecord.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for word in (b"beta", b"gamma"):
            feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[word]))
            features = tf.train.Features(feature={"words": feature})
            writer.write(tf.train.Example(features=features).SerializeToString())
    options = ("--input", path, "--overwrite", "--json")
    assert _batch(tmp_path, endpoint, *options, model="words").exit_code == 0
    assert [line["prediction"]["index"] for line in _lines(tmp_path / "out")] == [1, 2]


@_slow
def test_a_batch_killed_in_the_middle_goes_on_where_it_stopped(
    server: "RunningServer", tmp_path: Path
) -> None:
    count = 4000
    source = _numbers(tmp_path, range(count))
    command = [sys.executable, "-m", "model_export.cli", "batch", "--input", str(source)]
    command += ["--output", str(tmp_path / "out"), "--model", "versioned", "--json"]
    command += ["--endpoint", f"grpc://127.0.0.1:{server.grpc_port}"]
    slowly = ["--batch-size", "1", "--concurrency", "2"]
    kept = 0
    for _ in range(2):
        with subprocess.Popen([*command, *slowly], stdout=subprocess.DEVNULL) as process:
            # Once more is known to count than before, and more was written than counts.
            def killable(process: "subprocess.Popen[bytes]" = process, kept: int = kept) -> bool:
                assert process.poll() is None, "it was done before it could be killed"
                partial = tmp_path / "out.partial"
                known = _kept(tmp_path / "out.journal")
                return known["instances"] > kept and (
                    partial.stat().st_size > known["output_bytes"]
                )

            _until(killable)
            process.send_signal(signal.SIGKILL)
        assert not (tmp_path / "out").exists()
        kept = _kept(tmp_path / "out.journal")["instances"]
    done = subprocess.run(command, capture_output=True, check=True)
    summary = json.loads(done.stdout)
    assert summary["resumed_from"] == kept > 0
    assert summary["instances"] == count
    expected = [
        {"line": number + 1, "prediction": {"version": 2.0, "x": float(number)}}
        for number in range(count)
    ]
    assert _lines(tmp_path / "out") == expected
    assert _names(tmp_path) == ["in.jsonl", "out"]


def _kept(journal: Path) -> dict[str, int]:
    lines = journal.read_bytes().rpartition(b"\n")[0].splitlines() if journal.exists() else []
    none = {"instances": 0, "output_bytes": 0}
    return json.loads(lines[-1]) if len(lines) > 1 else none


def _until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


class _Echo(BaseHTTPRequestHandler):
    """Gives instances back, refuses what is negative, and is gone for as long as it is told."""

    protocol_version = "HTTP/1.1"
    # In one piece, or each answer waits for an acknowledgement of its head.
    wbufsize = -1
    gone: bool = False
    # As many are waited for before the first is answered.
    wanted_at_once = 0
    most_at_once = 0
    at_once = 0
    changed = threading.Condition()

    def do_GET(self) -> None:
        self._send(404, {})

    def do_POST(self) -> None:
        cls = type(self)
        with self.changed:
            cls.at_once += 1
            cls.most_at_once = max(cls.most_at_once, cls.at_once)
            self.changed.notify_all()
            self.changed.wait_for(lambda: cls.most_at_once >= cls.wanted_at_once, 60)
        rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["instances"]
        time.sleep(0.002)
        with self.changed:
            cls.at_once -= 1
        if cls.gone:
            self._send(503, {"error": "gone"})
        elif any(row < 0 for row in rows):
            self._send(400, {"error": "negative"})
        else:
            self._send(200, {"predictions": rows})

    def _send(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("model_export.batch.run.PATIENT", Retries(first_pause_seconds=0.01))
    _Echo.gone, _Echo.wanted_at_once, _Echo.most_at_once = False, 0, 0
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/models/echo"
        server.shutdown()
        thread.join()


def test_so_many_requests_run_at_once_and_no_more(echo: str, tmp_path: Path) -> None:
    source = _numbers(tmp_path, range(400))
    options = ("--input", source, "--batch-size", 5, "--concurrency", 3)
    _Echo.wanted_at_once = 3
    assert _batch(tmp_path, echo, *options, model="").exit_code == 0
    assert _Echo.most_at_once == 3
    assert [line["prediction"] for line in _lines(tmp_path / "out")] == list(range(400))


def test_a_server_that_is_gone_ends_the_run_and_the_next_one_goes_on(
    echo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _numbers(tmp_path, range(300))

    def stop_at_half(self: Any, **line: bytes) -> None:
        write(self, **line)
        _Echo.gone = _Echo.gone or self.progress.instances == 150

    with monkeypatch.context() as patched:
        from model_export.batch.journal import Journal  # noqa: PLC0415 beside its only use

        write = Journal.write
        patched.setattr(Journal, "write", stop_at_half)
        result = _batch(tmp_path, echo, "--input", source, "--batch-size", 2, model="")
    assert result.exit_code == 1
    assert "503: gone" in result.stderr
    assert "Run the same command again" in result.stderr
    assert not (tmp_path / "out").exists()
    _Echo.gone = False
    result = _batch(tmp_path, echo, "--input", source, "--json", model="")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["resumed_from"] >= 150
    assert [line["prediction"] for line in _lines(tmp_path / "out")] == list(range(300))
    again = _batch(tmp_path, echo, "--input", source, model="")
    assert again.exit_code == 2
    assert "out exists" in again.stderr


def test_where_all_fail_at_first_the_run_stops_and_leaves_nothing(
    echo: str, tmp_path: Path
) -> None:
    source = _numbers(tmp_path, [*[-1] * 150, 1])
    result = _batch(tmp_path, echo, "--input", source, model="")
    assert result.exit_code == 1
    assert "Each of the first 100 instances failed, the last with: " in result.stderr
    assert "negative" in result.stderr
    assert _names(tmp_path) == ["in.jsonl"]
    result = _batch(tmp_path, echo, "--input", source, "--keep-going", model="")
    assert result.exit_code == 1
    assert _lines(tmp_path / "out") == [{"line": 151, "prediction": 1}]
    assert len(_lines(tmp_path / "out.errors")) == 150


def test_an_input_that_changes_meanwhile_gives_no_output(
    echo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _numbers(tmp_path, range(10))
    from model_export.batch.journal import Journal  # noqa: PLC0415 beside its only use

    write = Journal.write

    def touch(self: Any, **line: bytes) -> None:
        write(self, **line)
        with source.open("a") as file:
            file.write("1\n")

    monkeypatch.setattr(Journal, "write", touch)
    result = _batch(tmp_path, echo, "--input", source, model="")
    assert result.exit_code == 1
    assert "was changed while it was read" in result.stderr
    assert not (tmp_path / "out").exists()


def test_memory_is_bounded_however_long_the_input(echo: str, tmp_path: Path) -> None:
    """No more is read ahead than the requests at once need, seen at the input's own door."""
    import tracemalloc  # noqa: PLC0415 beside its only use

    source = tmp_path / "in.jsonl"
    source.write_bytes(b"1" + b" " * 20_000 + b"\n" * 1)
    source.write_bytes(source.read_bytes() * 3000)
    tracemalloc.start()
    try:
        result = _batch(tmp_path, echo, "--input", source, "--concurrency", 2, model="")
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.exit_code == 0
    assert source.stat().st_size > 60e6
    assert peak_bytes < 30e6


def test_a_full_disk_is_told_and_the_next_run_goes_on(
    echo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _numbers(tmp_path, range(50))

    fsync = os.fsync
    calls = iter(range(99))

    def full(file: int) -> None:
        if next(calls) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(file)

    with monkeypatch.context() as patched:
        patched.setattr("model_export.batch.run._KEEP_SECONDS", 0.0)
        patched.setattr("os.fsync", full)
        result = _batch(tmp_path, echo, "--input", source, model="")
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert _batch(tmp_path, echo, "--input", source, model="").exit_code == 0
    assert len(_lines(tmp_path / "out")) == 50


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--input", "none.jsonl"), "No such file"),
        (("--input", "."), "is no file"),
        (("--input", "in"), "--format"),
        (("--input", "in", "--format", "jsonl", "--errors", "out"), "three different files"),
        (("--input", "ftp://b/in.csv"), "gs://BUCKET/KEY"),
        (("--input", "in", "--format", "jsonl", "--output", "none/out"), "no directory none"),
    ],
)
def test_a_mistake_in_the_request_exits_with_2(
    echo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").write_text("1\n")
    result = _batch(Path(), echo, *options, model="")
    assert result.exit_code == 2
    assert said in result.stderr
    assert _names(tmp_path) == ["in"]
