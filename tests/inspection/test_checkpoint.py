"""The index of variables: TensorFlow writes it, we read it, and both say the same."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_export.checkpoint import Variable, parse_index
from model_export.errors import RefusedError


def _index(prefix: Path) -> bytes:
    return prefix.with_name(f"{prefix.name}.index").read_bytes()


def _saved(tf: Any, prefix: Path, tensors: dict[str, Any], slices: list[str] | None = None) -> Path:
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(tensors),
        shape_and_slices=slices or [""] * len(tensors),
        tensors=list(tensors.values()),
    )
    return prefix


def _by_tensorflow(tf: Any, prefix: Path) -> dict[str, tuple[int, ...]]:
    listed = tf.train.list_variables(str(prefix))
    return {name: tuple(shape) for name, shape in listed if not name.startswith("_CHECKPOINTABLE")}


def test_a_saved_models_variables_are_those_that_tensorflow_lists(
    tf: Any, rich: Path, tensorflow1: Path
) -> None:
    for model in (rich, tensorflow1):
        prefix = model / "variables/variables"
        found = parse_index(_index(prefix), "here")
        assert {name: variable.shape for name, variable in found.variables.items()} == (
            _by_tensorflow(tf, prefix)
        )
        data = prefix.with_name("variables.data-00000-of-00001")
        assert found.file_sizes == {f"variables/{data.name}": data.stat().st_size}


def test_an_index_of_thousands_of_names_that_share_their_beginnings_is_read_whole(
    tf: Any, tmp_path: Path
) -> None:
    tensors = {
        f"a/long/common/beginning/of/layer_{number}/kernel": tf.zeros([number % 7, 3], tf.float16)
        for number in range(5000)
    }
    prefix = _saved(tf, tmp_path / "many", tensors)
    found = parse_index(_index(prefix), "here")
    assert {name: variable.shape for name, variable in found.variables.items()} == (
        _by_tensorflow(tf, prefix)
    )
    assert {variable.dtype for variable in found.variables.values()} == {"float16"}
    count = sum(number % 7 * 3 for number in range(5000))
    assert (found.parameter_count, found.size_bytes) == (count, 2 * count)


def test_a_variable_kept_in_slices_is_one_variable(tf: Any, tmp_path: Path) -> None:
    # TensorFlow joins the slices of one name when it merges the files of several savers.
    whole = tf.reshape(tf.range(20, dtype=tf.float32), [10, 2])
    parts = [
        _saved(tf, tmp_path / f"part{number}", {"table": part}, [f"10 2 {first},5:-"])
        for number, (first, part) in enumerate([(0, whole[:5]), (5, whole[5:])])
    ]
    prefix = tmp_path / "merged"
    tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=[str(part) for part in parts], destination_prefix=str(prefix)
    )
    found = parse_index(_index(prefix), "here")
    assert found.variables == {"table": Variable(dtype="float32", shape=(10, 2))}
    assert _by_tensorflow(tf, prefix) == {"table": (10, 2)}
    assert found.size_bytes == 80
    assert len(found.file_sizes) == 2


@pytest.fixture(scope="module")
def index(rich: Path) -> bytes:
    return _index(rich / "variables/variables")


def test_every_cut_of_an_index_is_refused_by_name(index: bytes) -> None:
    for length in range(len(index)):
        with pytest.raises(RefusedError, match=r"^here is corrupt or cut short"):
            parse_index(index[:length], "here")


@given(data=st.data())
def test_whatever_bytes_stand_in_an_index_it_is_read_or_refused(
    index: bytes, data: st.DataObject
) -> None:
    damaged = bytearray(index)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(index) - 1))] = data.draw(st.integers(0, 255))
    for document in (bytes(damaged), data.draw(st.binary(max_size=200))):
        try:
            parse_index(document, "here")
        except RefusedError as error:
            assert "corrupt or cut short" in str(error)  # noqa: PT017 both ends are right
