"""Asking a server whether a version answers as it did when it was exported."""

import json
import math
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.releases.answering import (
    NotAnsweringError,
    is_close,
    require_prediction,
    version_states,
)
from infra.releases.doors import Door
from infra.releases.model_release import Canary, ModelRelease
from model_export.manifest import Sample

SAMPLE = Sample(
    signature_name="serving_default",
    instances=({"age": 63.0},),
    predictions=({"risk": [0.25], "words": "high"},),
)


class Answers(BaseHTTPRequestHandler):
    """A server that says by path what it is told to."""

    by_path: ClassVar[dict[str, tuple[int, str]]] = {}
    asked: ClassVar[list[Any]] = []

    def do_GET(self) -> None:
        code, body = self.by_path.get(self.path, (404, '{"error": "no such path"}'))
        self.send_response(code)
        self.end_headers()
        self.wfile.write(body.encode())

    def do_POST(self) -> None:
        self.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as http:
        thread = Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def fresh_answers() -> None:
    Answers.by_path.clear()
    Answers.asked.clear()


def tell_states(path: str, **states: str) -> None:
    entries = [{"version": version[1:], "state": state} for version, state in states.items()]
    Answers.by_path[path] = 200, json.dumps({"model_version_status": entries})


def test_states_are_read(server: str) -> None:
    tell_states("/v1/models/heart", v1="END", v2="AVAILABLE")
    assert version_states(server, "heart") == {1: "END", 2: "AVAILABLE"}


def test_nobody_there_is_no_state() -> None:
    assert version_states("http://127.0.0.1:1", "heart") == {}


@pytest.mark.parametrize("body", ["", "<html>", "[]", '{"model_version_status": 3}'])
def test_something_else_there_is_no_state(server: str, body: str) -> None:
    Answers.by_path["/v1/models/heart"] = 200, body
    assert version_states(server, "heart") == {}


def test_every_version_and_label_of_a_release_must_answer(server: str) -> None:
    tell_states("/v1/models/heart", v1="AVAILABLE", v2="LOADING")
    tell_states("/v1/models/heart/labels/stable", v1="AVAILABLE")
    stable = ModelRelease(version=1, labels={"stable": 1})
    door = Door(model="heart", fronts=(server,))
    assert door.unanswered(stable) is None
    assert door.unanswered(ModelRelease(version="latest")) is None
    trial = ModelRelease(version=1, canary=Canary(version=2, share=9), labels={"new": 2})
    assert door.unanswered(trial) == (
        "heart does not answer as 2, label new (1 is AVAILABLE, 2 is LOADING)"
    )
    nobody = Door(model="heart", fronts=("http://127.0.0.1:1",))
    assert nobody.unanswered(stable) == (
        "heart does not answer as 1, label stable (nobody answers)"
    )


def test_the_recorded_instances_are_sent_and_equal_predictions_pass(server: str) -> None:
    body = '{"predictions": [{"risk": [0.25000001], "words": "high"}]}'
    Answers.by_path["/v1/models/heart/versions/2:predict"] = 200, body
    require_prediction(server, "heart", 2, SAMPLE)
    assert Answers.asked == [{"signature_name": "serving_default", "instances": [{"age": 63.0}]}]


@pytest.mark.parametrize(
    ("code", "body", "said"),
    [
        (200, '{"predictions": [{"risk": [0.3], "words": "high"}]}', "answers otherwise"),
        (200, '{"predictions": [{"risk": [0.25], "words": "low"}]}', "answers otherwise"),
        (200, '{"outputs": 3}', "answers otherwise"),
        (400, '{"error": "no signature"}', "answers 400: no signature"),
        (500, "<html>", "answers 500: <html>"),
        (200, "<html>", "does not answer"),
    ],
)
def test_another_answer_is_told(server: str, code: int, body: str, said: str) -> None:
    Answers.by_path["/v1/models/heart/versions/2:predict"] = code, body
    with pytest.raises(NotAnsweringError, match=said):
        require_prediction(server, "heart", 2, SAMPLE)


def test_not_a_number_equals_itself_as_a_model_means_it() -> None:
    assert is_close([math.nan], [math.nan])
    assert not is_close([math.nan], [1.0])
    assert not is_close([math.inf], [1.0])


def test_a_truth_value_is_no_number() -> None:
    assert not is_close(True, 1)  # noqa: FBT003 - the values under test
    assert is_close(True, True)  # noqa: FBT003 - likewise


values = st.recursive(
    st.floats(allow_nan=True) | st.integers() | st.text() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(values)
def test_every_json_value_equals_itself_after_a_round_trip(value: Any) -> None:
    assert is_close(json.loads(json.dumps(value)), value)


@given(st.floats(-1e6, 1e6), st.floats(0.01, 100))
def test_a_number_that_is_far_off_is_not_close(value: float, off: float) -> None:
    assert not is_close(value + abs(value) * 0.01 + off, value)
