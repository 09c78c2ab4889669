"""Batches really form, and what is in them stays apart."""

import concurrent.futures
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from local_model_server.batching import merge, padded_rows, split
from tests.server.core.running import RunningServer, config, start

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def batching(zoo_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    directory = tmp_path_factory.mktemp("batching")
    (directory / "models.config").write_text(
        config(observer=zoo_path / "observer", slow=zoo_path / "slow")
    )
    # Long enough for a slow machine to bring all requests of a batch together. Only the batch that
    # must be padded is waited for; the others are filled up, and run as soon as they are full.
    (directory / "batching.config").write_text(
        "max_batch_size { value: 16 } batch_timeout_micros { value: 5000000 }"
        " max_enqueued_batches { value: 3 } num_batch_threads { value: 2 }"
        " allowed_batch_sizes: 4 allowed_batch_sizes: 16"
    )
    server = start(
        directory,
        f"--model_config_file={directory / 'models.config'}",
        "--enable_batching",
        f"--batching_parameters_file={directory / 'batching.config'}",
    )
    try:
        server.wait("observer", {1: "AVAILABLE"})
        server.wait("slow", {1: "AVAILABLE"})
        yield server
    finally:
        server.kill()


@pytest.fixture
def pool() -> Iterator[concurrent.futures.ThreadPoolExecutor]:
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        yield pool


@pytest.fixture
def together(pool: concurrent.futures.ThreadPoolExecutor) -> "Together":
    """Make calls at the same time; an error is an answer."""

    def call(calls: list[Callable[[], Any]]) -> list[Any]:
        futures = [pool.submit(one) for one in calls]
        return [future.exception() or future.result() for future in futures]

    return call


def asking(server: RunningServer, *rows: list[float]) -> Callable[[], Any]:
    x = np.array(rows, np.float32)
    return lambda: server.predict("observer", {"x": x})


Together = Callable[[list[Callable[[], Any]]], list[Any]]


def test_requests_that_wait_together_reach_the_model_as_one(
    batching: RunningServer, together: Together
) -> None:
    answers = together([asking(batching, [float(i), 1.0]) for i in range(16)])
    assert [answer.outputs["sum"].float_val[0] for answer in answers] == [i + 1 for i in range(16)]
    assert [set(answer.outputs["rows"].int_val) for answer in answers] == [{16}] * 16


def test_a_batch_is_padded_to_an_allowed_size_and_answers_only_what_was_asked(
    batching: RunningServer,
) -> None:
    answer = asking(batching, [1.0, 2.0])()
    assert list(answer.outputs["sum"].float_val) == [3.0]
    assert list(answer.outputs["rows"].int_val) == [4]


def test_requests_of_different_shapes_go_in_different_batches(
    batching: RunningServer, together: Together
) -> None:
    answers = together([asking(batching, [1.0] * (2 + i % 2)) for i in range(32)])
    assert [answer.outputs["sum"].float_val[0] for answer in answers] == [2.0, 3.0] * 16
    assert [set(answer.outputs["rows"].int_val) for answer in answers] == [{16}] * 32


def test_a_batch_that_the_next_request_does_not_fit_into_is_run_at_once(
    batching: RunningServer, pool: concurrent.futures.ThreadPoolExecutor
) -> None:
    calls = [pool.submit(asking(batching, *[[1.0]] * 14)) for _ in range(2)]
    concurrent.futures.wait(calls, return_when=concurrent.futures.FIRST_COMPLETED)
    # The other one still waits, and is filled up by this; alone, this would be padded to 4 rows.
    answer = asking(batching, *[[1.0]] * 2)()
    assert set(answer.outputs["rows"].int_val) == {16}
    assert [len(call.result().outputs["rows"].int_val) for call in calls] == [14, 14]


def test_one_bad_request_in_a_batch_spoils_no_other(
    batching: RunningServer, together: Together
) -> None:
    answers = together([asking(batching, [-1.0 if i == 5 else 1.0]) for i in range(16)])
    assert [i for i, answer in enumerate(answers) if isinstance(answer, grpc.RpcError)] == [5]
    assert answers[5].code() is grpc.StatusCode.INVALID_ARGUMENT
    assert all(answers[i].outputs["sum"].float_val[0] == 1.0 for i in range(16) if i != 5)


def test_too_many_rows_are_refused(batching: RunningServer) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        asking(batching, *[[1.0]] * 17)()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Task size 17 is larger than maximum input batch size 16" in (
        caught.value.details() or ""
    )


def test_too_many_batches_are_refused(
    batching: RunningServer, together: Together, pool: concurrent.futures.ThreadPoolExecutor
) -> None:
    # Each shape waits in a batch of its own; three may wait.
    calls = {pool.submit(asking(batching, [1.0] * (i + 1))): i + 1 for i in range(8)}
    refused = list(islice(concurrent.futures.as_completed(calls), 5))
    errors: list[Any] = [call.exception() for call in refused]
    assert {error.code() for error in errors} == {grpc.StatusCode.UNAVAILABLE}
    assert "is full" in (errors[0].details() or "")
    waiting = {call: width for call, width in calls.items() if call not in refused}
    together([asking(batching, [1.0] * width) for width in waiting.values() for _ in range(15)])
    for call, width in waiting.items():
        assert call.result().outputs["sum"].float_val[0] == width


def test_a_signature_without_rows_is_run_as_it_is(batching: RunningServer) -> None:
    assert batching.predict("slow", {"steps": 7}).outputs["steps"].int_val[0] == 7


def test_what_was_merged_comes_apart_again() -> None:
    requests = [[np.array([[1, 2]])], [np.array([[3, 4], [5, 6]])]]
    (merged,) = merge(requests, padding=1)
    assert merged.tolist() == [[1, 2], [3, 4], [5, 6], [1, 2]]
    first, second = split({"y": merged}, [1, 2], 4)
    assert first["y"].tolist() == [[1, 2]]
    assert second["y"].tolist() == [[3, 4], [5, 6]]


def test_the_next_allowed_size_is_taken() -> None:
    assert [padded_rows(rows, (2, 4)) for rows in (1, 2, 3, 4)] == [2, 2, 4, 4]
    assert padded_rows(3, ()) == 3
