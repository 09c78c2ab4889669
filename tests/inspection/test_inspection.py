"""What a SavedModel says of itself, against what TensorFlow says of it."""

import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_export.directory_store import DirectoryStore
from model_export.errors import RefusedError
from model_export.graph import known_operations, parse_graphs, registered_operations
from model_export.inspection import WARMUP_PATH, as_json, inspect_model
from model_export.manifest import TensorSpec
from model_export.model_files import StoredFiles, find_model, local_files
from model_export.publish import publish
from model_export.tfrecord import record_places

Edited = Callable[[Path, Callable[[Any], None]], Path]


def test_signatures_have_tensorflows_dtypes_shapes_and_optional_inputs(rich: Path) -> None:
    (graph,) = inspect_model(local_files(rich)).graphs
    assert graph.tags == ("serve",)
    assert set(graph.signatures) == {"serving_default", "find"}
    score = graph.signatures["serving_default"]
    assert score.method_name == "tensorflow/serving/predict"
    assert score.inputs == {
        "x": TensorSpec(dtype="float32", shape=(None, 3)),
        "scale": TensorSpec(dtype="float32", shape=()),
    }
    assert score.outputs == {"y": TensorSpec(dtype="float32", shape=(None, 2))}
    assert graph.optional_inputs == {"serving_default": ("scale",)}
    assert graph.signatures["find"].outputs == {
        "place": TensorSpec(dtype="int64", shape=(None,)),
        "length": TensorSpec(dtype="int32", shape=(None,)),
    }


def test_sizes_variables_and_assets_are_counted(rich: Path) -> None:
    found = inspect_model(local_files(rich))
    files = [path for path in rich.rglob("*") if path.is_file()]
    assert found.file_count == len(files)
    assert found.size_bytes == sum(path.stat().st_size for path in files)
    assert found.graphs[0].assets == ("words.txt",)
    assert found.asset_bytes == 10
    # Six floats, one integer and one text.
    assert (len(found.checkpoint.variables), found.checkpoint.parameter_count) == (3, 8)
    assert found.checkpoint.size_bytes >= 6 * 4 + 8 + len("a title")
    assert found.memory_bytes < found.peak_memory_bytes


def test_producer_and_operations_are_tensorflows_own(tf: Any, rich: Path) -> None:
    (graph,) = inspect_model(local_files(rich)).graphs
    assert graph.tensorflow_version == tf.__version__
    assert graph.producer == tf.version.GRAPH_DEF_VERSION
    assert graph.operations["LookupTableFindV2"] == 1
    assert graph.operations["MatMul"] == 1
    assert graph.function_count > 0
    assert (graph.custom_operations, graph.python_operations) == ((), ())


def test_each_graph_of_a_tensorflow_1_model_is_told(tensorflow1: Path) -> None:
    found = inspect_model(local_files(tensorflow1))
    assert [graph.tags for graph in found.graphs] == [("serve",), ("train",)]
    assert found.served_graph is found.graphs[0]
    assert found.graphs[1].signatures == {}
    assert set(found.checkpoint.variables) == {"weight"}


def test_operations_that_tensorflow_does_not_have_are_marked(double: Path, edited: Edited) -> None:
    def rename(saved_model: Any) -> None:
        saved_model.meta_graphs[0].graph.nodes.add(op="TheirOwnOp")

    graph = inspect_model(local_files(edited(double, rename))).graphs[0]
    assert graph.custom_operations == ("TheirOwnOp",)


def test_a_call_of_the_models_own_function_is_no_custom_operation(
    double: Path, edited: Edited
) -> None:
    def call(saved_model: Any) -> None:
        graph = saved_model.meta_graphs[0].graph
        graph.library.functions.add().definition.name = "my_function"
        graph.nodes.add(op="my_function")

    graph = inspect_model(local_files(edited(double, call))).graphs[0]
    assert graph.custom_operations == ()
    assert "my_function" not in graph.operations


def test_operations_that_call_back_into_python_are_marked(python_calling: Path) -> None:
    graph = inspect_model(local_files(python_calling)).graphs[0]
    assert graph.python_operations == ("PyFunc",)


def test_a_version_in_a_store_is_told_like_its_directory(rich: Path, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    publish(rich, model="rich", store=store)
    manifest = store.manifest("rich", 1)
    stored = StoredFiles(
        where="there",
        sizes={entry.path: entry.size_bytes for entry in manifest.files},
        store=store,
        model="rich",
        version=1,
    )
    places = (local_files(rich), stored, find_model(f"{tmp_path.as_uri()}/rich/1"))
    told = [as_json(inspect_model(files)) | {"where": ""} for files in places]
    assert told[0] == told[1] == told[2]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("gs://bucket", "names no version; write the store's address"),
        ("gs://bucket/heart", "as in gs://bucket/heart/3"),
        ("s3://bucket/heart/007", "names no version"),
        ("ftp://bucket/heart/1", "ftp"),
        ("no/such/directory", "is not a directory"),
    ],
)
def test_a_place_that_names_no_model_is_refused(place: str, said: str) -> None:
    with pytest.raises(RefusedError, match=re.escape(said)):
        find_model(place)


def test_a_directory_above_the_model_is_refused_with_the_way_to_it(rich: Path) -> None:
    with pytest.raises(RefusedError, match=rf"Did you mean {re.escape(str(rich))}"):
        find_model(str(rich.parent))


def _framed(records: list[bytes]) -> bytes:
    return b"".join(struct.pack("<Q4x", len(record)) + record + b"crc." for record in records)


@given(records=st.lists(st.binary(max_size=300), max_size=40), cut=st.integers(1, 20))
def test_records_are_counted_and_a_cut_file_is_refused(records: list[bytes], cut: int) -> None:
    document = _framed(records)

    def read(start: int, count: int) -> bytes:
        return document[start : start + min(count, 100)]

    places = list(record_places(read, len(document), "warm-up"))
    assert [document[start : start + length] for start, length in places] == records
    if records and cut < len(document):
        # A cut that falls between two records cannot be seen.
        whole = len(_framed(records[:-1]))
        if len(document) - cut > whole:
            with pytest.raises(RefusedError, match="warm-up is cut short"):
                list(record_places(read, len(document) - cut, "warm-up"))


def test_records_that_tensorflow_wrote_are_counted(
    tf: Any, double: Path, tmp_path: Path, edited: Edited
) -> None:
    model = edited(double, lambda _: None)
    (model / WARMUP_PATH).parent.mkdir()
    with tf.io.TFRecordWriter(str(model / WARMUP_PATH)) as writer:
        for number in range(70):
            writer.write(b"x" * 3000 * (number % 2))
    assert inspect_model(local_files(model)).warmup_record_count == 70
    assert inspect_model(local_files(double)).warmup_record_count == 0
    assert tmp_path in model.parents


@given(data=st.data())
def test_whatever_bytes_stand_in_a_graph_it_is_read_or_refused(
    double: Path, data: st.DataObject
) -> None:
    damaged = bytearray((double / "saved_model.pb").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    for document in (bytes(damaged), data.draw(st.binary(max_size=200))):
        try:
            parse_graphs(document, "here")
        except RefusedError as error:
            assert str(error).startswith("here is ")  # noqa: PT017 both ends are right


@pytest.mark.slow
def test_the_committed_list_of_operations_is_that_of_the_installed_tensorflow() -> None:
    # A process of its own: whatever this one has loaded may have registered more.
    program = "from model_export.graph import *; print(*registered_operations())"
    answer = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert set(answer.stdout.split()) == known_operations(), (
        "run `python -m model_export.graph` and commit what it writes"
    )
    assert callable(registered_operations)


@pytest.mark.slow
def test_it_says_what_saved_model_cli_says(rich: Path, tensorflow1: Path) -> None:
    tool = Path(sys.executable).with_name("saved_model_cli")
    for model in (rich, tensorflow1):
        answer = subprocess.run(
            [tool, "show", "--all", "--dir", model],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        ).stdout
        found = inspect_model(local_files(model))
        assert {graph.tags: _told_operations(answer, graph.tags) for graph in found.graphs} == (
            {graph.tags: set(graph.operations) for graph in found.graphs}
        )
        for graph in found.graphs:
            assert _told_tensors(answer, graph.tags) == {
                (name, f"{direction}puts", key, spec.dtype, _as_told(spec))
                for name, signature in graph.signatures.items()
                for direction, specs in (("in", signature.inputs), ("out", signature.outputs))
                for key, spec in specs.items()
            }


def _as_told(spec: TensorSpec) -> str:
    if spec.shape is None:
        return "unknown_rank"
    return f"({', '.join('-1' if size is None else str(size) for size in spec.shape)})"


def _told_tensors(answer: str, tags: tuple[str, ...]) -> set[tuple[str, ...]]:
    """Read the tool's text of one graph; its dtypes are upper-case, its initialisers left out."""
    head = f"MetaGraphDef with tag-set: '{', '.join(tags)}'"
    part = answer.partition(head)[2].partition("MetaGraphDef with tag-set")[0]
    names = {"float": "float32", "double": "float64"}
    found: set[tuple[str, ...]] = set()
    for name, body in re.findall(r"signature_def\['(.*?)'\]:(.*?)Method name is", part, re.DOTALL):
        for side, key, dtype, shape in re.findall(
            r"(inputs|outputs)\['(.*?)'\] tensor_info:\s+dtype: DT_(\w+)\s+shape: (.*?)\n", body
        ):
            if not name.startswith("__saved_model"):
                found.add((name, side, key, names.get(dtype.lower(), dtype.lower()), shape))
    return found


def _told_operations(answer: str, tags: tuple[str, ...]) -> set[str]:
    listed = "', '".join(tags)
    told = re.search(rf"tag set \['{listed}'\] contains the following ops: (.*)\n", answer)
    assert told
    return set(re.findall(r"'([^']+)'", told[1]))


@pytest.mark.slow
def test_the_estimate_of_memory_is_what_loading_takes(tf: Any, tmp_path: Path) -> None:
    module = tf.Module()
    module.table = tf.Variable(tf.random.uniform([30_000_000]))
    module.serve = tf.function(
        lambda x: {"y": tf.gather(module.table, x)},
        input_signature=[tf.TensorSpec([None], tf.int32, name="x")],
    )
    tf.saved_model.save(module, str(tmp_path / "m"), signatures=module.serve)
    program = (
        "import sys; from pathlib import Path; import tensorflow as tf\n"
        "from model_export.runnable import SavedModel\n"
        "def resident():\n"
        "    return 4096 * int(Path('/proc/self/statm').read_text().split()[1])\n"
        "tf.compat.v1.Session(graph=tf.Graph()); before = resident()\n"
        "model = SavedModel(Path(sys.argv[1])); print(resident() - before)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "m")],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    )
    taken = int(answer.stdout)
    found = inspect_model(local_files(tmp_path / "m"))
    assert 0.8 * taken < found.memory_bytes < 1.25 * taken
