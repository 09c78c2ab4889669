"""The client against the real server: whatever the protocol, the same words in and out."""

import asyncio
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from model_export.cli import main
from model_export.client import AsyncClient, CallError, connect
from model_export.errors import RefusedError

# The server and its models take seconds to make.
pytestmark = pytest.mark.slow


def test_outputs_are_arrays_of_the_models_dtypes(endpoint: str) -> None:
    with connect(endpoint, model="words") as client:
        answer = client.predict(["alpha", {"b64": "Z2FtbWE="}, "é"])
    assert answer.outputs.keys() == {"index", "shout"}
    assert answer.outputs["index"].dtype == np.int64
    assert answer.outputs["index"].tolist() == [0, 2, -1]
    assert answer.outputs["shout"].tolist() == [b"ALPHA", b"GAMMA", "é".encode()]
    assert answer.rows()[0] == {"index": 0, "shout": "ALPHA"}


def test_a_single_output_has_its_name_and_bare_rows(endpoint: str) -> None:
    with connect(endpoint, model="tf1") as client:
        answer = client.predict([{"x": [1.0]}, {"x": [0.2]}])
    assert answer.outputs["y"].dtype == np.float32
    assert answer.outputs["y"].shape == (2, 1)
    assert answer.rows() == ([2.5], [2.1])


@pytest.mark.parametrize("given", [[1.5, 2], (1.5, 2), np.array([1.5, 2]), np.array([3, 4])])
def test_columns_go_in_as_arrays(endpoint: str, given: Any) -> None:
    with connect(endpoint, model="versioned") as client:
        answer = client.predict({"x": np.asarray(given)})
    assert answer.outputs["x"].dtype == np.float32
    assert answer.outputs["x"].tolist() == list(given)


def test_what_has_no_batch_dimension_is_an_array_but_no_rows(endpoint: str) -> None:
    with connect(endpoint, model="slow") as client:
        answer = client.predict({"steps": np.int32(3)})
        assert answer.outputs["steps"].dtype == np.int32
        assert answer.outputs["steps"] == 3


@pytest.mark.parametrize(
    ("options", "version"),
    [({}, 2), ({"version": 1}, 1), ({"version": 2}, 2), ({"label": "stable"}, 1)],
)
def test_the_version_or_the_label_is_asked(
    endpoint: str, options: dict[str, Any], version: int
) -> None:
    with connect(endpoint, model="versioned", **options) as client:
        assert client.predict([0.0]).outputs["version"].tolist() == [version]


def test_numbers_that_json_has_no_word_for_pass(endpoint: str) -> None:
    with connect(endpoint, model="versioned") as client:
        sent = [float("inf"), float("-inf"), float("nan"), 0.1]
        back = client.predict(sent).outputs["x"]
    np.testing.assert_array_equal(back, np.array(sent, np.float32))


@pytest.mark.parametrize(
    ("model", "instances", "failure"),
    [("observer", [[-1.0]], "instances"), ("nobody", [1.0], "final")],
)
def test_what_the_server_refuses_is_said_and_sorted(
    endpoint: str, model: str, instances: list[Any], failure: str
) -> None:
    with connect(endpoint, model=model) as client, pytest.raises(CallError, match="answered") as e:
        client.predict(instances)
    assert e.value.failure == failure


def test_a_signature_that_the_model_has_not_is_refused(endpoint: str) -> None:
    with (
        connect(endpoint, model="words", signature="none") as client,
        pytest.raises(RefusedError, match=r"no signature 'none' \(it has: serving_default\)"),
    ):
        client.predict(["a"])


def test_no_instances_are_refused(endpoint: str) -> None:
    with connect(endpoint, model="words") as client, pytest.raises(RefusedError, match="at least"):
        client.predict([])


def test_the_deadline_ends_a_slow_prediction(endpoint: str) -> None:
    with (
        connect(endpoint, model="slow") as client,
        pytest.raises(CallError, match=r"No answer .* within 0\.\d+ s") as caught,
    ):
        client.predict({"steps": np.int32(400_000)}, timeout_seconds=0.1)
    assert caught.value.failure == "late"


def test_many_threads_share_a_client(endpoint: str) -> None:
    with connect(endpoint, model="versioned") as client, ThreadPoolExecutor(8) as pool:
        numbers = [float(number) for number in range(64)]
        answers = pool.map(lambda number: client.predict([number]).outputs["x"][0], numbers)
        assert list(answers) == numbers


def test_asyncio_asks_the_same(endpoint: str) -> None:
    async def ask() -> list[float]:
        with connect(endpoint, model="versioned") as client, AsyncClient(client) as asynchronous:
            signature = await asynchronous.signature()
            assert signature is not None
            assert signature.inputs.keys() == {"x"}
            answers = await asyncio.gather(*(asynchronous.predict([number]) for number in range(9)))
            return [answer.outputs["x"][0] for answer in answers]

    assert asyncio.run(ask()) == list(range(9))


def test_a_wait_in_asyncio_counts_against_the_deadline(endpoint: str) -> None:
    async def ask() -> None:
        with (
            connect(endpoint, model="slow", timeout_seconds=20) as client,
            AsyncClient(client, calls_at_once=1) as asynchronous,
        ):
            await asynchronous.signature()
            first = asyncio.create_task(asynchronous.predict({"steps": np.int32(100_000)}))
            await asyncio.sleep(0)
            with pytest.raises(CallError, match="within"):
                await asynchronous.predict({"steps": np.int32(1)}, timeout_seconds=0.01)
            assert (await first).outputs["steps"] == 100_000

    asyncio.run(ask())


def test_the_command_takes_instances_as_argument_from_a_file_and_from_stdin(
    endpoint: str, tmp_path: Any
) -> None:
    def run(*arguments: str, stdin: str = "") -> str:
        at = ["--endpoint", endpoint, "--model", "versioned", "--label", "stable"]
        result = CliRunner().invoke(main, ["predict", *arguments, *at], input=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    (tmp_path / "body.json").write_text('{"instances": [7, 0.1]}')
    rows = [{"version": 1.0, "x": 7.0}, {"version": 1.0, "x": 0.1}]
    lines = [json.dumps(row) for row in rows]
    assert run("[7, 0.1]").splitlines() == lines
    assert run("--input", str(tmp_path / "body.json")).splitlines() == lines
    assert run(stdin="7\n\n0.1\n").splitlines() == lines
    assert json.loads(run("--json", "[7, 0.1]")) == {"predictions": rows}


def test_the_command_answers_without_tensorflow(endpoint: str) -> None:
    program = (
        "import sys; from model_export.cli import main\n"
        f"main(['predict', '[1]', '--endpoint', '{endpoint}', '--model', 'versioned'],"
        " standalone_mode=False)\n"
        "assert not {'tensorflow', 'botocore', 'google.cloud.aiplatform_v1'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_label_that_moves_to_a_model_of_other_types_is_noticed(
    server: Any, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.server.core.running import config  # noqa: PLC0415 loads TensorFlow

    monkeypatch.setattr("model_export.client._METADATA_LEAST_SECONDS", 0.0)
    directory = server.log.parent
    before = (directory / "models.config").read_text()

    def serve(kind: str) -> None:
        # The same name over another directory: the version's number is the same.
        extra = config(changing=directory / kind).removeprefix("model_config_list {").strip()[:-1]
        assert server.reload(before.rstrip()[:-1] + extra + "}").status.error_code == 0

    try:
        serve("words")
        server.wait("changing", {1: "AVAILABLE"})
        with connect(endpoint, model="changing") as client:
            assert client.predict(["beta"]).outputs["index"].tolist() == [1]
            server.reload(before)
            serve("tf1")
            server.wait("changing", {1: "AVAILABLE"})
            assert client.predict([[1.0]]).outputs["y"].tolist() == [[2.5]]
    finally:
        server.reload(before)
