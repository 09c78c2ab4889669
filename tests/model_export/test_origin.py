"""Where a version says that it comes from."""

import os
import subprocess
from pathlib import Path

import pytest

from model_export.directory_store import DirectoryStore
from model_export.origin import git_state, publisher
from model_export.publish import publish


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a repository with one commit."""
    directory = tmp_path / "repository"
    directory.mkdir()
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.chdir(directory)
    (directory / "train.py").write_text("1")
    _git("init", "-q")
    _git("add", "train.py")
    _git("-c", "user.name=x", "-c", "user.email=x@y", "commit", "-q", "-m", "one")
    return directory


def _git(*arguments: str) -> str:
    run = subprocess.run(["git", *arguments], check=True, capture_output=True, text=True)
    return run.stdout.strip()


def test_the_commit_is_clean_until_a_tracked_file_changes(repository: Path) -> None:
    head = _git("rev-parse", "HEAD")
    (repository / "exported-model").write_text("untracked")
    clean = git_state()
    assert clean is not None
    assert (clean.commit, clean.dirty) == (head, False)
    (repository / "train.py").write_text("2")
    changed = git_state()
    assert changed is not None
    assert (changed.commit, changed.dirty) == (head, True)


def test_a_publish_outside_of_any_repository_knows_no_commit(
    model: Path, store: DirectoryStore, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert publish(model, model="heart", store=store).manifest.git_dirty is False
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(repository.parent))
    monkeypatch.chdir(model)
    manifest = publish(model, model="heart", store=store).manifest
    assert manifest.git_commit is None
    assert manifest.git_dirty is None


def test_a_repository_without_a_commit_and_a_machine_without_git_know_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _git("init", "-q")
    assert git_state() is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state() is None


def test_the_publisher_is_a_user_at_a_machine() -> None:
    user, _, machine = publisher().partition("@")
    assert user
    assert machine
