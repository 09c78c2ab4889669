"""The way to a model's servers: directly, or through kubectl where only the cluster sees them."""

import json
import os
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from infra.releases.answering import NotAnsweringError
from infra.releases.doors import UnreachableError, open_door
from infra.releases.model_release import Canary, ModelRelease
from infra.releases.verifying import require_answers
from model_export.manifest import Sample
from tests.releases.test_artefacts import MANIFEST

SAMPLE = Sample(signature_name="serving_default", instances=(1.0,), predictions=(2.0,))


def serve(states: dict[int, str], prediction: float) -> ThreadingHTTPServer:
    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            entries = [{"version": str(at), "state": state} for at, state in states.items()]
            self.answer({"model_version_status": entries})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answer({"predictions": [prediction]})

        def answer(self, document: Any) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def tracks() -> Iterator[dict[str, Any]]:
    servers = [serve({1: "AVAILABLE"}, 2.0), serve({2: "AVAILABLE", 1: "END"}, 3.0)]
    yield {
        name: {"version": number, "rest": f"http://127.0.0.1:{server.server_port}"}
        for number, name, server in zip((1, 2), ("stable", "canary"), servers, strict=True)
    }
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_trial_is_asked_at_both_of_its_servers(tracks: dict[str, Any]) -> None:
    trial = ModelRelease(version=1, canary=Canary(version=2, share=10))
    with open_door("heart", {"rest": "http://nowhere:1", "tracks": tracks}) as door:
        assert door.states() == {1: "AVAILABLE", 2: "AVAILABLE"}
        assert door.unanswered(trial) is None
        door.require_predictions({1: SAMPLE})
        with pytest.raises(NotAnsweringError, match="answers otherwise"):
            door.require_predictions({1: SAMPLE, 2: SAMPLE})
        with pytest.raises(NotAnsweringError, match="no server of heart has version 3"):
            door.require_predictions({3: SAMPLE})


def test_a_model_without_an_address_cannot_be_asked() -> None:
    with pytest.raises(UnreachableError, match="no address"), open_door("heart", {"rest": None}):
        pytest.fail("it is open")


INSIDE = "http://heart-stable.models.svc.cluster.local:8501"


def kubectl(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    program = directory / "kubectl"
    program.write_text(f"#!{sys.executable}\nimport sys\nopen({str(directory / 'log')!r}, 'w')"
                       f".write(' '.join(sys.argv[1:]))\n{script}\n")  # fmt: skip
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return directory / "log"


OUTPUT = {
    "target": "kubernetes",
    "rest": "http://heart.models.svc.cluster.local:8501",
    "tracks": {"stable": {"version": 1, "rest": INSIDE}},
    "port_forward": "kubectl --context 'my kind' -n models port-forward service/heart 8501 8500",
}


def test_what_only_the_cluster_sees_is_asked_through_its_port_forward(
    tracks: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = tracks["stable"]["rest"].rpartition(":")[2]
    told = f"Forwarding from 127.0.0.1:{port} -> 8501"
    script = f"print({told!r}, flush=True)\nimport time; time.sleep(99)"
    log = kubectl(tmp_path, monkeypatch, script)
    with open_door("heart", OUTPUT) as door:
        assert door.states() == {1: "AVAILABLE"}
    assert log.read_text() == (
        "--context my kind -n models port-forward --address=127.0.0.1 service/heart-stable :8501"
    )


def test_a_cluster_that_refuses_is_told_by_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl(tmp_path, monkeypatch, "sys.exit('error: no such context')")
    with (
        pytest.raises(UnreachableError, match="in its cluster: error: no such context"),
        open_door("heart", OUTPUT),
    ):
        pytest.fail("it is open")


def test_an_update_that_cannot_be_tried_from_here_is_said_and_only_insisting_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl(tmp_path, monkeypatch, "sys.exit('error: forbidden')")
    outputs = {"models": {"heart": OUTPUT}}
    after = {"heart": ModelRelease(version=1)}
    manifests = {("heart", 1): MANIFEST}
    said: list[str] = []
    require_answers(outputs, after, manifests, insist=False, say=said.append)
    assert "error: forbidden: the update went through, but no prediction was tried" in said[0]
    with pytest.raises(NotAnsweringError, match="forbidden"):
        require_answers(outputs, after, manifests, insist=True, say=said.append)


def test_a_server_on_this_machine_that_is_silent_is_down() -> None:
    outputs = {"models": {"heart": {"target": "local", "rest": None}}}
    with pytest.raises(NotAnsweringError, match="no address"):
        require_answers(outputs, {"heart": ModelRelease(version=1)}, {}, insist=False, say=print)


def service(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let `python -m model_export` be a script of the test's."""
    package = directory / "model_export"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(f"import json, sys\n{script}\n")
    monkeypatch.setenv("PYTHONPATH", str(directory))
    monkeypatch.chdir(directory)


VERTEX = {"target": "vertex", "rest": None, "endpoint": "vertex://p/europe-west4/42"}
SAMPLES = {
    1: SAMPLE,
    2: Sample(signature_name="serving_default", instances=(1.0,), predictions=(5.0,)),
}


@pytest.mark.parametrize("answer", [2.0, 5.0])
def test_a_services_answer_may_be_that_of_any_version_on_trial(
    answer: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "assert sys.argv[1:5] == ['predict', '--json', '--endpoint', 'vertex://p/europe-west4/42']\n"
        f"assert json.load(sys.stdin) == [1.0]\nprint(json.dumps({{'predictions': [{answer}]}}))"
    )
    service(tmp_path, monkeypatch, script)
    with open_door("heart", VERTEX) as door:
        assert door.unanswered(ModelRelease(version=1)) is None
        door.require_predictions(SAMPLES)


@pytest.mark.parametrize(
    ("script", "error", "said"),
    [
        ("print(json.dumps({'predictions': [9.0]}))", NotAnsweringError, "answers otherwise"),
        ("sys.stderr.write('model-export: boom'); sys.exit(1)", NotAnsweringError, "boom"),
        ("sys.stderr.write('No answer from x'); sys.exit(1)", UnreachableError, "No answer from"),
        ("sys.stderr.write('not installed'); sys.exit(2)", UnreachableError, "not installed"),
    ],
)
def test_a_service_that_answers_otherwise_is_told_from_one_that_cannot_be_asked(
    script: str,
    error: type[Exception],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service(tmp_path, monkeypatch, script)
    with pytest.raises(error, match=said), open_door("heart", VERTEX) as door:
        door.require_predictions(SAMPLES)
