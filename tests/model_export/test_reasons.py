"""What is told of an exception that others raised."""

import errno
import shutil
from pathlib import Path

import pytest

from model_export.reasons import reason_line, unwritten


def test_of_a_graph_that_failed_the_line_before_the_node_is_told() -> None:
    said = (
        "Graph execution error:\n\nDetected at node MatMul defined at\n"
        "Matrix size-incompatible: In[0]: [1,3], In[1]: [4,3]\n\t [[{{node MatMul}}]]"
    )
    assert reason_line(ValueError(said)).startswith("Matrix size-incompatible")
    assert reason_line(ValueError("")) == "ValueError"


def test_of_a_copy_the_file_that_could_not_be_written_is_told() -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "from", None, "to")
    assert unwritten(full, Path("out")) == "to: No space left on device"
    assert unwritten(OSError(errno.ENOSPC, "Full"), Path("out")) == "out: Full"


def test_of_a_tree_the_first_file_that_could_not_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("x")

    def full(_: str, target: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "from", None, target)

    monkeypatch.setattr(shutil, "copystat", lambda *_: None)
    with pytest.raises(shutil.Error) as failed:
        shutil.copytree(source, tmp_path / "target", copy_function=full)
    told = unwritten(failed.value, Path("out"))
    assert told == f"{tmp_path / 'target' / 'file'}: No space left on device"
