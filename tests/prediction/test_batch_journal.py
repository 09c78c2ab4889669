"""Which lines count, after whatever end the last run came to."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_export.batch.destination import PathDestination
from model_export.batch.journal import Journal
from model_export.errors import ModelExportError, RefusedError

_ASKED: dict[str, Any] = {"input": "a 1", "model": "m"}


def _journal(directory: Path, asked: dict[str, Any] = _ASKED) -> Journal:
    output, errors = (PathDestination(directory / name) for name in ("out", "err"))
    return Journal(output, errors, asked)


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_nothing_has_its_name_before_the_end(tmp_path: Path) -> None:
    with _journal(tmp_path).begin(overwrite=False) as journal:
        journal.write(output=b"1\n")
        journal.write(errors=b"2\n")
        journal.keep()
        assert _names(tmp_path) == ["err.partial", "out.journal", "out.partial"]
        journal.publish()
    assert _names(tmp_path) == ["err", "out"]
    assert (tmp_path / "out").read_bytes() == b"1\n"
    assert (tmp_path / "err").read_bytes() == b"2\n"


def test_without_failures_there_is_no_file_of_errors(tmp_path: Path) -> None:
    with _journal(tmp_path).begin(overwrite=False) as journal:
        journal.write(output=b"1\n")
        journal.publish()
    assert _names(tmp_path) == ["out"]


@given(
    kept=st.lists(st.booleans(), max_size=5),
    lost=st.lists(st.booleans(), max_size=5),
    torn=st.binary(max_size=20).filter(lambda data: b"\n" not in data),
)
def test_what_was_not_kept_is_cut_off_wherever_the_kill_came(
    tmp_path_factory: pytest.TempPathFactory, kept: list[bool], lost: list[bool], torn: bytes
) -> None:
    directory = tmp_path_factory.mktemp("journal")

    def write(journal: Journal, fates: list[bool], first: int) -> None:
        for number, good in enumerate(fates, first):
            line = f"{number}\n".encode()
            journal.write(**{"output" if good else "errors": line})

    with _journal(directory).begin(overwrite=False) as journal:
        write(journal, kept, 0)
        journal.keep()
        write(journal, lost, 100)
    # Half a line of each file had come to the disk.
    for name in ("out.partial", "err.partial", "out.journal"):
        with (directory / name).open("ab") as file:
            file.write(torn)
    with _journal(directory).begin(overwrite=False) as journal:
        assert journal.progress.instances == len(kept)
        assert journal.progress.failed == kept.count(False)
        write(journal, lost, len(kept))
        journal.publish()
    lines = [(directory / name) for name in ("out", "err")]
    numbers = [
        [int(line) for line in path.read_text().splitlines()] if path.exists() else []
        for path in lines
    ]
    fates = kept + lost
    assert numbers[0] == [number for number, good in enumerate(fates) if good]
    assert numbers[1] == [number for number, good in enumerate(fates) if not good]


@pytest.mark.parametrize("steps_done", [0, 1, 2])
def test_a_kill_among_the_last_names_is_made_good(tmp_path: Path, steps_done: int) -> None:
    with _journal(tmp_path).begin(overwrite=False) as journal:
        journal.write(output=b"1\n")
        journal.write(errors=b"2\n")
        journal.publish()
        log = b'{"schema": 1, "input": "a 1", "model": "m"}\n'
        log += b'{"instances": 2, "failed": 1, "output_bytes": 2, "errors_bytes": 2, '
        log += b'"is_complete": true}\n'
    (tmp_path / "out.journal").write_bytes(log)
    for name in ("err", "out")[steps_done:]:
        (tmp_path / name).rename(tmp_path / f"{name}.partial")
    with _journal(tmp_path).begin(overwrite=False) as journal:
        assert journal.progress.is_complete
    assert _names(tmp_path) == ["err", "out"]
    assert (tmp_path / "out").read_bytes() == b"1\n"


def test_two_runs_do_not_write_the_same_output(tmp_path: Path) -> None:
    with _journal(tmp_path).begin(overwrite=False) as first:
        first.write(output=b"1\n")
        for overwrite in (False, True):
            with pytest.raises(RefusedError, match="being written by another run"):
                _journal(tmp_path).begin(overwrite=overwrite)
        first.publish()
    assert (tmp_path / "out").read_bytes() == b"1\n"


def test_another_question_does_not_go_on_with_the_lines_of_the_first(tmp_path: Path) -> None:
    with _journal(tmp_path).begin(overwrite=False) as journal:
        journal.write(output=b"1\n")
        journal.keep()
    with pytest.raises(RefusedError, match="begun with another input and model"):
        _journal(tmp_path, {"input": "b", "model": "n"}).begin(overwrite=False)
    with _journal(tmp_path, {"input": "b", "model": "n"}).begin(overwrite=True) as journal:
        assert journal.progress.instances == 0
        journal.write(output=b"2\n")
        journal.publish()
    assert (tmp_path / "out").read_bytes() == b"2\n"


def test_files_that_are_there_stay_unless_they_are_to_be_replaced(tmp_path: Path) -> None:
    for name in ("out", "err"):
        (tmp_path / name).write_bytes(b"old\n")
        with pytest.raises(RefusedError, match=f"{name} exists"):
            _journal(tmp_path).begin(overwrite=False)
        assert _names(tmp_path) == [name]
        (tmp_path / name).unlink()
    (tmp_path / "out").write_bytes(b"old\n")
    with _journal(tmp_path).begin(overwrite=True) as journal:
        journal.write(output=b"new\n")
        assert (tmp_path / "out").read_bytes() == b"old\n"
        journal.publish()
    assert (tmp_path / "out").read_bytes() == b"new\n"


def test_lines_that_went_missing_are_noticed(tmp_path: Path) -> None:
    with _journal(tmp_path).begin(overwrite=False) as journal:
        journal.write(output=b"1\n")
        journal.keep()
    (tmp_path / "out.partial").write_bytes(b"")
    with pytest.raises(RefusedError, match="not as the last run left it"):
        _journal(tmp_path).begin(overwrite=False)


def test_a_place_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelExportError, match="No such file or directory"):
        _journal(tmp_path / "none").begin(overwrite=False)


def test_a_run_that_did_nothing_leaves_nothing_and_the_next_may_ask_for_something_else(
    tmp_path: Path,
) -> None:
    def fail() -> None:
        with _journal(tmp_path).begin(overwrite=False):
            raise ModelExportError("no such version")

    with pytest.raises(ModelExportError, match="no such version"):
        fail()
    assert _names(tmp_path) == []
    with _journal(tmp_path, {**_ASKED, "model": "other"}).begin(overwrite=False) as journal:
        journal.write(output=b"1\n")
        journal.publish()
    assert _names(tmp_path) == ["out"]


def test_a_run_that_could_not_begin_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(_: object) -> bool:
        raise ModelExportError("There is no bucket.")

    monkeypatch.setattr(PathDestination, "exists", unreachable)
    with pytest.raises(ModelExportError, match="no bucket"):
        _journal(tmp_path).begin(overwrite=False)
    assert _names(tmp_path) == []
