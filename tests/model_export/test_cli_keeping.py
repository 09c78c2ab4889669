"""The words and exit codes of verify, gc, delete and signing."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from model_export.cli import main
from model_export.directory_store import DirectoryStore
from model_export.publish import publish
from model_export.retention import chosen

_NUMBERS = st.sets(st.integers(1, 30))


@pytest.fixture
def published(model: Path, store: DirectoryStore, root: Path) -> Path:
    """Give a store with three versions."""
    for _ in range(3):
        publish(model, model="heart", store=store)
    return root


def _run(root: Path, command: str, *arguments: str, user_types: str | None = None) -> Result:
    place = ["--model", "heart", "--store", str(root)]
    return CliRunner().invoke(main, [command, *place, *arguments], input=user_types)


def test_verify_tells_that_a_version_is_whole(published: Path) -> None:
    run = _run(published, "verify", "--version", "2")
    assert run.exit_code == 0
    assert "heart/2 is whole: 3 files" in run.stdout
    assert run.stdout.rstrip().endswith("not signed")


def test_verify_names_each_fault_and_exits_with_1(published: Path) -> None:
    damaged = published / "heart/2/variables/variables.index"
    damaged.chmod(0o644)
    damaged.write_bytes(b"indez")
    run = _run(published, "verify", "--version", "2")
    assert run.exit_code == 1
    assert "heart/2: variables/variables.index: its bytes have the SHA-256" in run.stderr
    answer = json.loads(_run(published, "verify", "--version", "2", "--json").stdout)
    assert answer["ok"] is False
    assert len(answer["faults"]) == 1


@pytest.mark.parametrize("command", [("gc", "--keep", "1"), ("delete", "--version", "1", "--yes")])
@pytest.mark.parametrize("told", [(), ("--in-use", "3", "--nothing-in-use")])
def test_nothing_is_removed_without_being_told_what_is_in_use(
    published: Path, command: tuple[str, ...], told: tuple[str, ...]
) -> None:
    run = _run(published, *command, *told)
    assert run.exit_code == 2
    assert "Say which versions are served or may be rolled back to" in run.stderr
    assert DirectoryStore(published).versions("heart") == (1, 2, 3)


def test_a_dry_run_of_gc_removes_nothing(published: Path) -> None:
    arguments = ("--keep", "1", "--in-use", "1")
    run = _run(published, "gc", *arguments, "--dry-run")
    assert (run.exit_code, run.stdout) == (0, "Would remove heart/2\nKept: 1, 3\n")
    assert DirectoryStore(published).versions("heart") == (1, 2, 3)
    run = _run(published, "gc", *arguments, "--json")
    assert json.loads(run.stdout) == {
        "dry_run": False,
        "kept": [1, 3],
        "removed": [2],
        "leftovers": [],
    }
    run = _run(published, "gc", *arguments)
    assert run.stdout == "Nothing to remove\nKept: 1, 3\n"


def test_gc_takes_a_list_of_versions(published: Path) -> None:
    run = _run(published, "gc", "--keep", "1", "--in-use", "1,2")
    assert run.stdout == "Nothing to remove\nKept: 1, 2, 3\n"
    run = _run(published, "gc", "--keep", "1", "--in-use", "1,two")
    assert run.exit_code == 2
    assert "'two': write versions as 3 or 3,7" in run.stderr


def test_delete_asks_for_yes_where_nobody_can_be_asked(published: Path) -> None:
    run = _run(published, "delete", "--version", "1", "--nothing-in-use")
    assert run.exit_code == 2
    assert "nobody is here to be asked; say --yes" in run.stderr
    run = _run(published, "delete", "--version", "1", "--nothing-in-use", "--yes")
    assert run.exit_code == 0
    assert DirectoryStore(published).versions("heart") == (2, 3)


@pytest.mark.parametrize(("answer", "left"), [("n\n", (1, 2, 3)), ("y\n", (2, 3))])
def test_delete_asks_on_a_terminal(
    published: Path, monkeypatch: pytest.MonkeyPatch, answer: str, left: tuple[int, ...]
) -> None:
    monkeypatch.setattr("model_export.cli_keeping._is_terminal", lambda: True)
    run = _run(published, "delete", "--version", "1", "--in-use", "3", user_types=answer)
    assert "for good? [y/N]" in run.stdout
    assert DirectoryStore(published).versions("heart") == left


def test_a_served_version_is_not_deleted_whatever_is_answered(published: Path) -> None:
    run = _run(published, "delete", "--version", "3", "--in-use", "3", "--yes")
    assert run.exit_code == 2
    assert "Version 3 of 'heart' is in use" in run.stderr
    assert DirectoryStore(published).versions("heart") == (1, 2, 3)


def test_a_version_without_the_signature_that_was_asked_for_is_not_called_damaged(
    published: Path, tmp_path: Path
) -> None:
    key = tmp_path / "release.pub"
    key.write_bytes(
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    run = _run(published, "verify", "--version", "1", "--public-key", str(key))
    assert run.exit_code == 1
    assert "model.sig: missing: the version is not signed" in run.stderr
    assert run.stderr.endswith("is not what was asked for: 1 fault. Publish the model anew.\n")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--identity", "me"), "--identity and --identity-issuer together"),
        (
            ("--identity", "me", "--identity-issuer", "x", "--public-key", __file__),
            "Give --public-key or --identity, not both",
        ),
        (("--public-key", __file__), "is no key that can be used here"),
    ],
)
def test_verify_refuses_words_that_do_not_go_together(
    published: Path, arguments: tuple[str, ...], reason: str
) -> None:
    run = _run(published, "verify", "--version", "1", *arguments)
    assert run.exit_code == 2
    assert reason in run.stderr


@given(versions=_NUMBERS, keep=st.integers(1, 40), in_use=_NUMBERS)
def test_what_stays_is_the_newest_and_all_in_use(
    versions: set[int], keep: int, in_use: set[int]
) -> None:
    kept = chosen(versions, keep=keep, in_use=in_use)
    assert list(kept) == sorted(set(kept))
    assert versions & in_use <= set(kept) <= versions
    assert len(kept) >= min(keep, len(versions))
    gone = versions - set(kept)
    assert all(version < kept[-1] for version in gone)
    assert len([version for version in kept if version not in in_use]) <= keep
