"""The object-store test servers: built once, started on a free port, gone afterwards."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.executables import bare_path, executable, fake_go
from tools.engine.errors import EngineError
from tools.servers.acquire import PACKAGES, ensure_server
from tools.servers.prometheus import ensure_prometheus
from tools.servers.running import ServerError, versitygw


@pytest.mark.parametrize("name", PACKAGES)
def test_a_server_is_built_once_and_then_found(name: str, tmp_path: Path) -> None:
    environ = fake_go(
        tmp_path, {"PATH": os.environ["PATH"], "SERVESTACK_CACHE": str(tmp_path / "c")}
    )
    first = ensure_server(name, environ=environ, progress=print)
    assert os.access(first, os.X_OK)
    assert ensure_server(name, environ=environ, progress=print) == first
    assert Path(environ["BUILD_LOG"]).read_text() == "build\n"


def test_without_go_it_says_what_is_needed(tmp_path: Path) -> None:
    environ = {"PATH": bare_path(tmp_path / "bin"), "SERVESTACK_CACHE": str(tmp_path / "c")}
    with pytest.raises(EngineError, match=r"no versitygw here .* It needs Go on PATH"):
        ensure_server("versitygw", environ=environ, progress=print)


def test_a_prometheus_comes_from_debians_package_once(tmp_path: Path) -> None:
    bin_ = tmp_path / "bin"
    log = tmp_path / "log"
    executable(bin_ / "apt-get", f"#!/bin/sh\necho $1 >>{log}; : >prometheus_1.deb\n")
    executable(
        bin_ / "dpkg-deb", "#!/bin/sh\nmkdir -p usr/bin; cd usr/bin; : >prometheus; : >promtool\n"
    )
    environ = {
        "PATH": f"{bin_}:{bare_path(tmp_path / 'bare')}",
        "SERVESTACK_CACHE": str(tmp_path / "c"),
    }
    first = ensure_prometheus(environ=environ, progress=print)
    assert first.is_file()
    assert first.with_name("promtool").exists()
    assert ensure_prometheus(environ=environ, progress=print) == first
    assert log.read_text() == "download\n"


def test_where_debians_package_cannot_be_had_it_says_why(tmp_path: Path) -> None:
    environ = {"PATH": bare_path(tmp_path / "bin"), "SERVESTACK_CACHE": str(tmp_path / "c")}
    with pytest.raises(EngineError, match="no prometheus on PATH, and no apt-get"):
        ensure_prometheus(environ=environ, progress=print)
    executable(tmp_path / "bin" / "apt-get", "#!/bin/sh\necho no such package >&2; exit 100\n")
    executable(tmp_path / "bin" / "dpkg-deb", "#!/bin/sh\n")
    with pytest.raises(EngineError, match="ended with 100: no such package"):
        ensure_prometheus(environ=environ, progress=print)
    assert not list((tmp_path / "c").rglob("prometheus"))


def test_an_unknown_server_is_refused_by_name() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tools.servers", "minio"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "unknown server 'minio'" in run.stderr


def test_a_server_that_ends_at_once_is_told_with_what_it_said(tmp_path: Path) -> None:
    program = executable(tmp_path / "gw", "#!/bin/sh\necho no disk >&2\nexit 3\n")
    with pytest.raises(ServerError, match=r"ended with 3:\nno disk"), versitygw(program, tmp_path):
        pytest.fail("it runs")


def test_a_server_is_gone_when_its_user_is_done_even_after_an_error(tmp_path: Path) -> None:
    try:
        program = ensure_server("versitygw", environ=os.environ, progress=print)
    except EngineError as error:
        pytest.skip(str(error))
    pid = 0

    def use() -> None:
        nonlocal pid
        with versitygw(program, tmp_path) as server:
            pid = server.pid
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use()
    assert pid
    assert not Path(f"/proc/{pid}").exists()
