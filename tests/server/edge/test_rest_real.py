"""REST against the real core: what one protocol answers, the other answers too."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.server.core.running import RunningServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[RunningServer]":
    # TensorFlow, which takes seconds to import, only when a test here runs.
    from tests.server.core import models, running  # noqa: PLC0415

    directory = tmp_path_factory.mktemp("rest")
    models.save_tf1(directory / "tf1")
    models.save_words(directory / "words")
    models.save_slow(directory / "slow")
    for version in (1, 2):
        models.save_versioned(directory / "versioned", version)
    config = directory / "models.config"
    text = running.config(**{name: directory / name for name in ("tf1", "words", "slow")})
    config.write_text(
        text.removesuffix("}")
        + f"""config {{ name: "versioned" base_path: "{directory / "versioned"}"
             model_platform: "tensorflow" model_version_policy {{ all {{}} }}
             version_labels {{ key: "stable" value: 1 }} }} }}"""
    )
    monitoring = directory / "monitoring.config"
    monitoring.write_text('prometheus_config { enable: true path: "/metrics" }')
    batching = directory / "batching.config"
    batching.write_text("max_batch_size { value: 8 }\nbatch_timeout_micros { value: 1000 }\n")
    started = running.start(
        directory,
        f"--model_config_file={config}",
        "--allow_version_labels_for_unavailable_models",
        f"--monitoring_config_file={monitoring}",
        "--enable_batching",
        f"--batching_parameters_file={batching}",
        "--rest_api_timeout_in_ms=2000",
    )
    try:
        for name in ("tf1", "words", "slow"):
            started.wait(name, {1: "AVAILABLE"})
        started.wait("versioned", {1: "AVAILABLE", 2: "AVAILABLE"})
        yield started
    finally:
        started.kill()


def _metrics(server: "RunningServer") -> list[str]:
    import urllib.request  # noqa: PLC0415 - only here

    with urllib.request.urlopen(f"http://127.0.0.1:{server.rest_port}/metrics") as page:
        return page.read().decode().splitlines()  # type: ignore[no-any-return]


def test_rows_columns_and_grpc_agree(server: "RunningServer") -> None:
    row = server.rest("tf1:predict", {"instances": [[1.0], [4.0]]})
    column = server.rest("tf1:predict", {"inputs": {"x": [[1.0], [4.0]]}})
    grpc_answer = server.predict("tf1", {"x": [[1.0], [4.0]]})
    assert row == (200, {"predictions": [[2.5], [4.0]]})
    assert column == (200, {"outputs": [[2.5], [4.0]]})
    assert list(grpc_answer.outputs["y"].float_val) == [2.5, 4.0]


def test_versions_and_labels_reach_their_version(server: "RunningServer") -> None:
    for spec, version in (("", 2), ("/versions/1", 1), ("/versions/2", 2), ("/labels/stable", 1)):
        answer = server.rest(f"versioned{spec}:predict", {"instances": [7.0]})
        assert answer == (200, {"predictions": [{"version": version, "x": 7.0}]})
    status, body = server.rest("versioned/labels/none:predict", {"instances": [7.0]})
    assert status == 400
    assert "label" in body["error"]


def test_strings_go_in_as_text_and_as_base64(server: "RunningServer") -> None:
    instances = ["beta", {"b64": "Z2FtbWE="}]
    status, body = server.rest("words:predict", {"instances": instances})
    assert status == 200
    assert body == {"predictions": [{"index": 1, "shout": "BETA"}, {"index": 2, "shout": "GAMMA"}]}


def test_classify_and_regress_take_examples(server: "RunningServer") -> None:
    examples = [{"x": [2.0]}, {"x": 6.0}]
    request: dict[str, Any] = {"signature_name": "classify", "examples": examples}
    assert server.rest("tf1:classify", request) == (200, {"results": [[["y", 3.0]], [["y", 5.0]]]})
    request = {"signature_name": "regress", "context": {"x": 2.0}, "examples": [{}]}
    assert server.rest("tf1:regress", request) == (200, {"results": [3.0]})
    assert server.rest("tf1:regress", {"examples": examples})[0] == 400


def test_status_and_metadata_are_protobufs_json(server: "RunningServer") -> None:
    assert server.rest("tf1/versions/1") == (
        200,
        {
            "model_version_status": [
                {
                    "version": "1",
                    "state": "AVAILABLE",
                    "status": {"error_code": "OK", "error_message": ""},
                }
            ]
        },
    )
    status, body = server.rest("tf1/metadata")
    assert status == 200
    assert body["model_spec"] == {"name": "tf1", "signature_name": "", "version": "1"}
    signature = body["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    x = signature["inputs"]["x"]
    assert x["dtype"] == "DT_FLOAT"
    assert x["tensor_shape"] == {
        "dim": [{"size": "-1", "name": ""}, {"size": "1", "name": ""}],
        "unknown_rank": False,
    }


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"instances": [[1.0, 2.0]]}, "x"),
        ({"instances": [["a"]]}, "Input x: JSON Value"),
        ({"instances": [[1.0]], "signature_name": "none"}, "classify, regress, serving_default"),
    ],
)
def test_a_wrong_request_is_the_clients_mistake(
    server: "RunningServer", body: object, words: str
) -> None:
    status, answer = server.rest("tf1:predict", body)
    assert status == 400
    assert words in answer["error"]


def test_a_call_over_its_time_is_given_up_and_others_go_on(server: "RunningServer") -> None:
    status, answer = server.rest("slow:predict", {"inputs": 2_000_000_000})
    assert status == 504
    assert "error" in answer
    assert server.rest("slow:predict", {"inputs": 3}) == (200, {"outputs": 3})


def test_what_happened_is_on_the_page_of_metrics(server: "RunningServer") -> None:
    before = _metrics(server)
    server.rest("tf1:predict", {"instances": [[1.0]]})
    after = _metrics(server)

    def count(lines: list[str]) -> int:
        prefix = ':tensorflow:serving:request_count{model_name="tf1",status="OK"} '
        return next((int(line.removeprefix(prefix)) for line in lines if prefix in line), 0)

    assert count(after) == count(before) + 1
    for name in ("graph_runs", "load_attempt_count", "processed_batch_size_count"):
        assert any(f":{name}{{" in line for line in after), json.dumps(name)
    own = ':servestack:serving:version_request_count{model_name="tf1",version="'
    assert any(line.startswith(own) for line in after)


def test_a_start_with_mistakes_ends_with_2_and_names_them(tmp_path: Path) -> None:
    from tests.server.core import running  # noqa: PLC0415 - TensorFlow

    config = tmp_path / "models.config"
    config.write_text('model_config_list {\n  config { name: "a" base_pth: "/a" }\n}\n')
    started = running.start(tmp_path, f"--model_config_file={config}", "--prot=1")
    assert started.process.wait(60) == 2
    told = started.log.read_text().splitlines()
    assert told[0] == "--prot=1: no such flag; did you mean --port?"
    assert told[1].startswith(f"{config}:2:22: ")
    assert len(told) == 2
