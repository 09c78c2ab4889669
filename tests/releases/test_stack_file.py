"""Editing stack files: what changes, and that nothing else does."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from infra.releases.errors import OperationFailedError
from infra.releases.model_release import Canary, ModelRelease
from infra.releases.stack_file import (
    EditedMeanwhileError,
    StackFileError,
    with_releases,
    write_over,
)

PLAIN = ModelRelease()


def edit(text: str, before: ModelRelease, after: ModelRelease) -> str:
    content = with_releases(
        text.encode(), {"heart": before}, {"heart": after}, name="Pulumi.local.yaml"
    )
    return content.decode()


def stack(*lines: str) -> str:
    return "\n".join(("config:", "  servestack:models:", *(f"    {line}" for line in lines), ""))


V1 = ModelRelease(version=1)
V2 = ModelRelease(version=2)
TRIAL = ModelRelease(version=1, canary=Canary(version=2, share=10))


@pytest.mark.parametrize(
    ("before", "release", "wanted", "after"),
    [
        (["heart: {}"], (PLAIN, V1), ["heart:", "  version: 1"], "empty"),
        (["heart: {} # why"], (PLAIN, V1), ["heart: # why", "  version: 1"], "empty, comment"),
        (["heart: {version: 1}"], (V1, V2), ["heart: {version: 2}"], "flow"),
        (
            ["heart: { warmup: false }  # c"],
            (PLAIN, V2),
            ["heart: { warmup: false, version: 2 }  # c"],
            "flow, new key",
        ),
        (
            ["heart:", "  version: 1   # since May", "", "  # next", "digits: {}"],
            (V1, V2),
            ["heart:", "  version: 2   # since May", "", "  # next", "digits: {}"],
            "comments",
        ),
        (
            ["heart:", "  target: local  # here", "", "# images", "digits: {}"],
            (PLAIN, V1),
            ["heart:", "  target: local  # here", "  version: 1", "", "# images", "digits: {}"],
            "a new key stands above the next model's comment",
        ),
        (
            ["heart:", "  # replay", "  warmup: false"],
            (PLAIN, V1),
            ["heart:", "  # replay", "  version: 1", "  warmup: false"],
            "a new key where no better place is",
        ),
        (
            ["heart:", "  version: 1", "  warmup: false"],
            (V1, TRIAL),
            ["heart:", "  version: 1", "  canary: {version: 2, share: 10}", "  warmup: false"],
            "a canary",
        ),
        (
            [
                "heart:",
                "  version: 1",
                "  canary:",
                "    version: 2",
                "    share: 10",
                "  warmup: on",
            ],
            (TRIAL, V2),
            ["heart:", "  version: 2", "  warmup: on"],
            "the end of a canary",
        ),
        (
            ["heart:", "  version: 1", "  canary:", "    version: 3 # new", "    share: 10"],
            (ModelRelease(version=1, canary=Canary(version=3, share=10)), TRIAL),
            ["heart:", "  version: 1", "  canary:", "    version: 2 # new", "    share: 10"],
            "another canary",
        ),
        (
            ["heart: {canary: {version: 2, share: 10}, version: 1}"],
            (TRIAL, V1),
            ["heart: {version: 1}"],
            "the end of a canary in a flow mapping",
        ),
        (
            ["heart:", "  version: 1"],
            (V1, ModelRelease(version=1, labels={"stable": 1, "null": 1})),
            ["heart:", "  version: 1", '  labels: {stable: 1, "null": 1}'],
            "labels",
        ),
        (["heart:", "  version: 1"], (V1, PLAIN), ["heart:", "  {}"], "no version any more"),
        (
            ["heart:", "  version: 1"],
            (V1, ModelRelease(version="latest")),
            ["heart:", "  version: latest"],
            "latest",
        ),
    ],
)
def test_exactly_the_release_keys_change(
    before: list[str], release: tuple[ModelRelease, ModelRelease], wanted: list[str], after: str
) -> None:
    assert edit(stack(*before), *release) == stack(*wanted), after


def test_line_ends_of_another_system_are_kept() -> None:
    text = stack("heart:", "  target: local", "digits: {}").replace("\n", "\r\n")
    wanted = stack("heart:", "  target: local", "  version: 1", "digits: {}")
    assert edit(text, PLAIN, V1) == wanted.replace("\n", "\r\n")


def test_a_last_line_without_an_end_is_no_trouble() -> None:
    text = stack("heart:", "  target: local").rstrip("\n")
    assert edit(text, PLAIN, V1) == text + "\n      version: 1"


def test_other_places_of_an_anchor_keep_their_value() -> None:
    text = stack("digits: {version: &first 1}", "heart: {version: *first}")
    assert edit(text, V1, V2) == stack("digits: {version: &first 1}", "heart: {version: 2}")


def test_a_key_merged_from_an_anchor_is_overridden_beside_it() -> None:
    text = stack("base: &base", "  version: 1", "heart:", "  <<: *base", "  warmup: false")
    wanted = stack(
        "base: &base", "  version: 1", "heart:", "  version: 2", "  <<: *base", "  warmup: false"
    )
    assert edit(text, V1, V2) == wanted


@pytest.mark.parametrize(
    "lines",
    [
        ["digits: &both {version: 1}", "heart: *both"],
        ["heart: {version: &first 1}", "digits: {version: *first}"],
        ["heart: &both {version: 1}", "digits: *both"],
    ],
)
def test_an_edit_that_would_change_another_model_is_refused_with_what_to_write(
    lines: list[str],
) -> None:
    with pytest.raises(StackFileError, match=r"(?s)by hand.*heart: \{\"version\": 2\}"):
        edit(stack(*lines), V1, V2)


def test_models_written_as_text_are_refused() -> None:
    with pytest.raises(StackFileError, match="by hand"):
        edit('config:\n  servestack:models: \'{"heart": {"version": 1}}\'\n', V1, V2)


versions = st.sampled_from([1, 2, 3, 2**63 - 1])
releases = st.builds(
    ModelRelease,
    version=versions,
    canary=st.none() | st.builds(Canary, version=versions, share=st.integers(1, 99)),
    labels=st.dictionaries(st.sampled_from(["tag-a", "tag-b", "tag-c"]), versions),
)


@st.composite
def laid_out(draw: st.DrawFn, release: ModelRelease) -> list[str]:
    """Write a model the way some person might."""
    entries = {"target": "local", "warmup": draw(st.sampled_from(["true", "'true'", "false"]))}
    entries["version"] = draw(st.sampled_from([str(release.version), f'"{release.version}"']))
    if release.canary:
        entries["canary"] = (
            f"{{version: {release.canary.version},  share: {release.canary.share} }}"
        )
    if release.labels:
        entries["labels"] = "{" + ", ".join(f"'{k}': {v}" for k, v in release.labels.items()) + "}"
    keys = draw(st.permutations(list(entries)))
    if draw(st.booleans()):
        return ["heart:   {" + " ,".join(f"{key}: {entries[key]}" for key in keys) + " } # flow"]
    lines = ["heart:"]
    for key in keys:
        lines += draw(st.lists(st.sampled_from(["", "  # why", "      # deep", "# left"])))
        block = key in {"canary", "labels"} and draw(st.booleans())
        if block:
            lines.append(f"  {key}:   # below")
            inner = entries[key].strip("{} ").split(",")
            lines += [f"     {item.strip()}   # inside" for item in inner]
        else:
            lines.append(f"  {key}:  {entries[key]}" + draw(st.sampled_from(["", "  # note"])))
    return lines


@settings(deadline=None)
@given(data=st.data(), before=releases, after=releases)
def test_every_layout_says_the_new_release_and_keeps_every_other_line(
    data: st.DataObject, before: ModelRelease, after: ModelRelease
) -> None:
    around = st.lists(st.sampled_from(["", "# a comment", "  # another"]), max_size=3)
    above, below = data.draw(around), data.draw(around)
    model = data.draw(laid_out(before))
    text = stack("digits: {version: 7} # first", *above, *model, *below, "zeta:", "  version: 9")

    edited = edit(text, before, after)

    models = YAML(typ="safe", pure=True).load(edited)["config"]["servestack:models"]
    heart = models.pop("heart")
    assert models == {"digits": {"version": 7}, "zeta": {"version": 9}}
    assert heart.pop("target") == "local"
    assert str(heart.pop("warmup")).lower() in {"true", "false"}
    assert int(heart.pop("version")) == after.version
    assert heart.pop("canary", None) == (
        {"version": after.canary.version, "share": after.canary.share} if after.canary else None
    )
    assert heart.pop("labels", {}) == after.labels
    assert not heart
    assert untouched(edited) == untouched(text)


def untouched(text: str) -> list[str]:
    """Give the lines that no release has to do with, comments on lines of their own included."""
    released = ("version", "canary", "share", "labels", "tag-")
    return [line for line in text.splitlines() if not any(word in line for word in released)]


def test_a_file_is_written_in_one_step_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.local.yaml"
    path.write_bytes(b"old")
    path.chmod(0o640)
    inode = path.stat().st_ino

    write_over(path, expected=b"old", content=b"new")

    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.stat().st_ino != inode
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_told_and_nothing_is_left_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "Pulumi.local.yaml"
    path.write_bytes(b"old")

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    # The tests may run as root, to whom no directory is read-only.
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OperationFailedError, match=r"cannot be written: Read-only file system"):
        write_over(path, expected=b"old", content=b"new")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"old"


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "kept.yaml", tmp_path / "Pulumi.local.yaml"
    path.write_bytes(b"old")
    link.symlink_to(path.name)
    write_over(link, expected=b"old", content=b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"


def test_what_somebody_else_wrote_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.local.yaml"
    path.write_bytes(b"theirs")
    with pytest.raises(EditedMeanwhileError, match=r"Pulumi\.local\.yaml was changed"):
        write_over(path, expected=b"ours", content=b"new")
    assert path.read_bytes() == b"theirs"
