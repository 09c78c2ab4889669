"""Which way to the engine is taken, and what is left behind when one breaks."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.tools.executables import bare_path, executable, fake_go, fake_pulumi
from tools.engine.acquire import Engine, ensure_engine
from tools.engine.cache import UNFINISHED
from tools.engine.errors import EngineError, EngineUsageError
from tools.engine.pins import VERSION, cache_key, fits, release_platform

CLOSED_URL = "http://127.0.0.1:9"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A machine without an engine, without a network and without Go."""
    return {
        "PATH": bare_path(tmp_path / "tools"),
        "SERVESTACK_CACHE": str(tmp_path / "cache"),
        "SERVESTACK_ENGINE_URL": CLOSED_URL,
        "HOME": str(tmp_path / "home"),
    }


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def ensure(environ: dict[str, str], lines: list[str]) -> Callable[..., Engine]:
    def run(**changes: str) -> Engine:
        return ensure_engine(environ={**environ, **changes}, progress=lines.append)

    return run


@pytest.fixture
def releases(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory and the URL under which it is served."""
    directory = tmp_path / "releases"
    directory.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(directory))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield directory, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def release(directory: Path, *, sha256: str | None = "right") -> None:
    """Write a release archive, and its checksum file unless that is None."""
    archive = directory / f"pulumi-v{VERSION}-{release_platform()}.tar.gz"
    with tarfile.open(archive, "w:gz") as members:
        for name in ("pulumi", "pulumi-language-python", "../../escaped"):
            content = f"#!/bin/sh\necho v{VERSION}\n".encode()
            member = tarfile.TarInfo(f"pulumi/{name}")
            member.size = len(content)
            members.addfile(member, io.BytesIO(content))
    if sha256 is not None:
        digest = hashlib.sha256(archive.read_bytes()).hexdigest() if sha256 == "right" else sha256
        (directory / f"pulumi-{VERSION}-checksums.txt").write_text(f"{digest}  {archive.name}\n")


def unfinished(cache: str) -> list[Path]:
    return list(Path(cache, "engine").glob(f"{UNFINISHED}*"))


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ("v3.250.0", True),
        ("3.250.0", True),
        ("v3.251.4", True),
        ("v3.300.0-alpha.1+dirty", True),
        ("v3.249.9", False),
        ("v4.0.0", False),
        ("v2.999.0", False),
        ("", False),
        ("dev", False),
    ],
)
def test_an_engine_of_the_same_major_and_not_older_fits(version: str, *, verdict: bool) -> None:
    assert fits(version) is verdict


def test_a_pulumi_on_path_that_fits_is_taken_as_it_is(
    ensure: Callable[..., Engine], environ: dict[str, str], tmp_path: Path
) -> None:
    pulumi = fake_pulumi(tmp_path / "own", "v3.260.1")
    engine = ensure(PATH=f"{pulumi.parent}:{environ['PATH']}")
    assert engine == Engine(bin_dir=pulumi.parent, pulumi=pulumi, version="3.260.1", origin="path")
    assert not Path(environ["SERVESTACK_CACHE"]).exists()


@pytest.mark.parametrize(
    ("version", "with_language_host", "why"),
    [
        ("v3.100.0", True, "is 3.100.0, this project needs 3.250.0 or a later 3.x"),
        ("v3.250.0", False, "comes without pulumi-language-python"),
    ],
)
def test_a_pulumi_on_path_that_does_not_fit_is_passed_over_and_said_why(
    ensure: Callable[..., Engine],
    environ: dict[str, str],
    tmp_path: Path,
    lines: list[str],
    version: str,
    why: str,
    *,
    with_language_host: bool,
) -> None:
    own = tmp_path / "own"
    fake_pulumi(own, version, with_language_host=with_language_host)
    with_go = fake_go(tmp_path / "go", {**environ, "PATH": f"{own}:{environ['PATH']}"})
    assert ensure(**with_go).origin == "build"
    assert any(why in line for line in lines)


def test_a_pulumi_on_path_that_hangs_or_fails_is_passed_over(
    ensure: Callable[..., Engine], environ: dict[str, str], tmp_path: Path
) -> None:
    own = tmp_path / "own"
    fake_pulumi(own, "x")
    executable(own / "pulumi", "#!/bin/sh\nexit 3\n")
    with pytest.raises(EngineError, match="does not say its version"):
        ensure(PATH=f"{own}:{environ['PATH']}")


def test_the_download_is_verified_and_then_found_in_the_cache(
    ensure: Callable[..., Engine], releases: tuple[Path, str], environ: dict[str, str]
) -> None:
    directory, url = releases
    release(directory)
    engine = ensure(SERVESTACK_ENGINE_URL=url)
    assert engine.origin == "download"
    assert engine.pulumi == Path(environ["SERVESTACK_CACHE"], "engine", cache_key(), "bin/pulumi")
    assert os.access(engine.bin_dir / "pulumi-language-python", os.X_OK)
    # What the archive wanted to put elsewhere lies beside the rest, under its bare name.
    assert {file.name for file in engine.bin_dir.iterdir()} == {
        "pulumi",
        "pulumi-language-python",
        "escaped",
    }
    assert ensure(SERVESTACK_ENGINE_URL=CLOSED_URL).origin == "cache"
    assert unfinished(environ["SERVESTACK_CACHE"]) == []


def test_an_archive_with_the_wrong_checksum_is_refused(
    ensure: Callable[..., Engine], releases: tuple[Path, str], environ: dict[str, str]
) -> None:
    directory, url = releases
    release(directory, sha256="0" * 64)
    with pytest.raises(EngineError, match="the release says 0000"):
        ensure(SERVESTACK_ENGINE_URL=url)
    assert [entry.name for entry in Path(environ["SERVESTACK_CACHE"], "engine").iterdir()] == [
        ".lock"
    ]


def test_an_archive_without_a_checksum_is_said_to_be_unchecked(
    ensure: Callable[..., Engine], releases: tuple[Path, str], lines: list[str]
) -> None:
    directory, url = releases
    release(directory, sha256=None)
    assert ensure(SERVESTACK_ENGINE_URL=url).origin == "download"
    assert any("is not checked" in line for line in lines)


def test_a_truncated_archive_is_refused(
    ensure: Callable[..., Engine], releases: tuple[Path, str]
) -> None:
    directory, url = releases
    release(directory, sha256=None)
    archive = next(directory.glob("*.tar.gz"))
    archive.write_bytes(archive.read_bytes()[:100])
    with pytest.raises(EngineError, match="no readable archive"):
        ensure(SERVESTACK_ENGINE_URL=url)


def test_without_a_network_the_engine_is_built_once(
    ensure: Callable[..., Engine], environ: dict[str, str], tmp_path: Path, lines: list[str]
) -> None:
    with_go = fake_go(tmp_path / "go", environ)
    engine = ensure(**with_go)
    assert engine.origin == "build"
    assert {file.name for file in engine.bin_dir.iterdir()} == {
        "pulumi",
        "pulumi-language-python",
        "pulumi-language-python-exec",
        "pulumi-resource-pulumi-python",
    }
    assert all(os.access(file, os.X_OK) for file in engine.bin_dir.iterdir())
    assert any("refused" in line for line in lines)
    assert ensure(**with_go).origin == "cache"
    assert Path(with_go["BUILD_LOG"]).read_text() == "build\n"


def test_the_ways_and_their_order_can_be_chosen(
    ensure: Callable[..., Engine],
    releases: tuple[Path, str],
    environ: dict[str, str],
    tmp_path: Path,
) -> None:
    release(releases[0])
    changes = fake_go(tmp_path / "go", environ) | {"SERVESTACK_ENGINE_URL": releases[1]}
    assert ensure(**changes, SERVESTACK_ENGINE="build,download").origin == "build"
    # Without `cache` among the ways, what lies there is replaced.
    assert ensure(**changes, SERVESTACK_ENGINE="download,build").origin == "download"
    assert ensure(**changes).origin == "cache"
    with pytest.raises(EngineUsageError, match="unknown way 'brew'"):
        ensure(SERVESTACK_ENGINE="brew")


def test_a_failing_build_shows_what_go_said(
    ensure: Callable[..., Engine], environ: dict[str, str], tmp_path: Path
) -> None:
    executable(
        tmp_path / "go" / "go",
        "#!/bin/sh\n[ $1 = env ] && echo go1.25 && exit\necho no space left >&2\nexit 1\n",
    )
    with pytest.raises(EngineError, match="`go build` failed: no space left"):
        ensure(PATH=f"{tmp_path / 'go'}:{environ['PATH']}")


def test_an_old_go_is_not_even_tried(
    ensure: Callable[..., Engine], environ: dict[str, str], tmp_path: Path
) -> None:
    executable(tmp_path / "go" / "go", "#!/bin/sh\necho go1.19.8\n")
    with pytest.raises(EngineError, match=r"is go1\.19, older than 1\.21"):
        ensure(PATH=f"{tmp_path / 'go'}:{environ['PATH']}")


def test_where_no_way_is_open_the_three_ways_are_named_with_what_became_of_them(
    ensure: Callable[..., Engine],
) -> None:
    with pytest.raises(EngineError) as caught:
        ensure()
    message = str(caught.value)
    assert "pulumi is not on PATH" in message
    assert f"{CLOSED_URL}: " in message
    assert "go is not on PATH" in message
    assert message.count("  - ") == 3


def test_a_cache_that_cannot_be_written_is_named(
    ensure: Callable[..., Engine], tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(EngineError, match="choose another directory with SERVESTACK_CACHE"):
        ensure(SERVESTACK_CACHE=str(blocked / "cache"))


def start(environ: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tools.engine", "--json"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_of_two_commands_at_once_one_builds_and_the_other_says_that_it_waits(
    environ: dict[str, str], tmp_path: Path
) -> None:
    with_go = fake_go(tmp_path / "go", environ) | {"BUILD_SECONDS": "1"}
    both = [start(with_go), start(with_go)]
    answers = [one.communicate(timeout=60) for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert Path(with_go["BUILD_LOG"]).read_text() == "build\n"
    assert sum("waiting for another command" in stderr for _, stderr in answers) == 1
    assert {'"origin": "build"' in stdout for stdout, _ in answers} == {True, False}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_killed_build_leaves_no_engine_and_the_next_command_builds_it(
    environ: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    with_go = fake_go(tmp_path / "go", environ) | {"BUILD_SECONDS": "30"}
    killed = start(with_go)
    deadline = time.monotonic() + 20
    while not Path(with_go["BUILD_LOG"]).exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed.send_signal(number)
    _, errors = killed.communicate(timeout=20)

    assert killed.returncode != 0
    assert "Traceback" not in errors
    cache = environ["SERVESTACK_CACHE"]
    assert not Path(cache, "engine", cache_key()).exists()
    assert bool(unfinished(cache)) == (number == signal.SIGKILL)

    after = start(with_go | {"BUILD_SECONDS": "0"})
    assert '"origin": "build"' in after.communicate(timeout=20)[0]
    assert unfinished(cache) == []
