"""What a cluster for tests is made of: programs, definitions, images, packages; none is started."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.images import serving_image
from tests.cluster.real_provider import NAME, find_real_provider
from tests.tools.executables import bare_path, executable, fake_go
from tools.cluster import debian
from tools.cluster.definitions import SOURCES, ensure_definitions
from tools.cluster.images import Image, write_image
from tools.cluster.node_init import Member
from tools.cluster.processes import ClusterError
from tools.cluster.programs import (
    CONTROL_PLANE,
    NODE,
    ensure_cluster_programs,
    find_cluster_programs,
)
from tools.cluster.runtime import MOUNTS_FILE, launcher, with_mounts
from tools.engine.errors import EngineError


def test_the_programs_of_a_cluster_are_built_once_for_each_module(tmp_path: Path) -> None:
    environ = fake_go(
        tmp_path, {"PATH": bare_path(tmp_path / "plain"), "SERVESTACK_CACHE": str(tmp_path / "c")}
    )
    assert find_cluster_programs(with_node=True, environ=environ) is None
    made = ensure_cluster_programs(with_node=True, environ=environ, progress=print)
    assert {*made} == {program.name for program in (*CONTROL_PLANE, *NODE)}
    assert all(os.access(program, os.X_OK) for program in made.values())
    # etcd, Kubernetes, kwok
    assert Path(environ["BUILD_LOG"]).read_text() == "build\n" * 3
    assert ensure_cluster_programs(with_node=True, environ=environ, progress=print) == made
    assert find_cluster_programs(with_node=False, environ=environ) is not None
    assert Path(environ["BUILD_LOG"]).read_text() == "build\n" * 3


def test_what_is_given_is_not_built(tmp_path: Path) -> None:
    environ = fake_go(
        tmp_path, {"PATH": bare_path(tmp_path / "plain"), "SERVESTACK_CACHE": str(tmp_path / "c")}
    )
    for name in ("etcd", "kube-apiserver", "kubectl"):
        executable(tmp_path / "assets" / name, "#!/bin/sh\n")
    environ["KUBEBUILDER_ASSETS"] = str(tmp_path / "assets")
    made = ensure_cluster_programs(with_node=False, environ=environ, progress=print)
    given = {name for name, place in made.items() if place.parent == tmp_path / "assets"}
    assert given == {"etcd", "kube-apiserver", "kubectl"}
    # What is left of Kubernetes, and kwok.
    assert Path(environ["BUILD_LOG"]).read_text() == "build\n" * 2


def test_without_go_it_says_what_is_needed(tmp_path: Path) -> None:
    environ = {"PATH": bare_path(tmp_path / "bin"), "SERVESTACK_CACHE": str(tmp_path / "c")}
    with pytest.raises(EngineError, match=r"There is no etcd, kube-apiserver.* needs Go on PATH"):
        ensure_cluster_programs(with_node=False, environ=environ, progress=print)


def test_definitions_are_checked_against_their_sums(tmp_path: Path) -> None:
    source = SOURCES["gateway-api"]
    folder = tmp_path / "module" / source.folder
    folder.mkdir(parents=True)
    answer = json.dumps({"Sum": "h1:other", "Dir": str(tmp_path / "module")})
    script = f"#!/bin/sh\ncase $1 in env) echo go1.25.1 ;; mod) echo '{answer}' ;; esac\n"
    executable(tmp_path / "bin" / "go", script)
    environ = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    environ["SERVESTACK_CACHE"] = str(tmp_path / "cache")
    with pytest.raises(EngineError, match=r"gateway-api@v1.3.0 has the sum h1:other, not h1:q6"):
        ensure_definitions(environ=environ, progress=print)
    assert not list((tmp_path / "cache").glob("cluster-definitions/gateway*"))


def read_archive(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as archive:
        return {
            member.name: content.read()
            for member in archive
            if (content := archive.extractfile(member)) is not None
        }


def test_an_image_is_a_whole_archive_without_what_is_installed_here(tmp_path: Path) -> None:
    image = serving_image("2.19.1")
    write_image(image, tmp_path / "image.tar")
    # TensorFlow alone is a hundred times as much.
    assert (tmp_path / "image.tar").stat().st_size < 10_000_000
    content = read_archive(tmp_path / "image.tar")
    blobs = {name: data for name, data in content.items() if name.startswith("blobs/")}
    assert all(
        name == f"blobs/sha256/{hashlib.sha256(data).hexdigest()}" for name, data in blobs.items()
    )

    def blob(entry: dict[str, Any]) -> bytes:
        found = blobs[f"blobs/{entry['digest'].replace(':', '/')}"]
        assert entry["size"] == len(found)
        return found

    (entry,) = json.loads(content["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == image.name
    manifest = json.loads(blob(entry))
    configuration = json.loads(blob(manifest["config"]))
    layer = gzip.decompress(blob(manifest["layers"][0]))
    (diff_id,) = configuration["rootfs"]["diff_ids"]
    assert diff_id == f"sha256:{hashlib.sha256(layer).hexdigest()}"
    with tarfile.open(fileobj=io.BytesIO(layer)) as files:
        names = set(files.getnames())
        mounts = files.extractfile(MOUNTS_FILE.lstrip("/"))
        assert mounts is not None
        assert sys.prefix in json.loads(mounts.read())
    assert {"usr/bin/sh", "usr/bin/sleep", "usr/bin/tensorflow_model_server"} <= names
    assert not names & {"usr/bin/curl", "usr/bin/wget", "usr/bin/python3"}


def test_an_image_of_a_program_that_is_not_here_is_refused(tmp_path: Path) -> None:
    image = Image(name="docker.io/local/x:1", entrypoint=["x"], programs=["no-such-program"])
    with pytest.raises(ClusterError, match="needs no-such-program, and this machine has none"):
        write_image(image, tmp_path / "image.tar")


def test_directories_of_the_machine_come_before_a_pods_volumes_and_after_the_systems() -> None:
    proc = {"destination": "/proc", "type": "proc", "source": "proc"}
    volume = {"destination": "/usr/lib/models", "type": "bind", "source": "/x"}
    mounts = with_mounts({"mounts": [proc, volume], "root": {}}, ["/usr/lib"])["mounts"]
    assert [mount["destination"] for mount in mounts] == ["/proc", "/usr/lib", "/usr/lib/models"]
    assert "ro" in mounts[1]["options"]


def test_a_volume_hides_no_directory_of_the_machine_below_it() -> None:
    volume = {"destination": "/work", "type": "bind", "source": "/x"}
    mounts = with_mounts({"mounts": [volume], "root": {}}, ["/usr/lib", "/work/checkout"])["mounts"]
    assert [mount["destination"] for mount in mounts] == ["/work", "/usr/lib", "/work/checkout"]


def test_a_container_of_an_image_with_a_list_gets_what_is_listed_and_exists(
    tmp_path: Path,
) -> None:
    bundle = tmp_path / "bundle"
    (bundle / "rootfs").mkdir(parents=True)
    configuration = {"root": {"path": "rootfs"}, "mounts": []}
    (bundle / "config.json").write_text(json.dumps(configuration))
    (bundle / "rootfs" / MOUNTS_FILE.lstrip("/")).write_text(json.dumps(["/etc", "/no/such"]))
    runc = executable(tmp_path / "runc", f'#!/bin/sh\necho "$@" >> {tmp_path / "calls"}\n')
    start = executable(tmp_path / "launcher", launcher(sys.executable, str(runc)))

    subprocess.run([start, "--root", "/r", "state", "id"], check=True)
    assert json.loads((bundle / "config.json").read_text()) == configuration
    subprocess.run([start, "--root", "/r", "create", "--bundle", bundle, "id"], check=True)
    (mount,) = json.loads((bundle / "config.json").read_text())["mounts"]
    assert mount["source"] == "/etc"
    assert (tmp_path / "calls").read_text().splitlines() == [
        "--root /r state id",
        f"--root /r create --bundle {bundle} id",
    ]


def test_who_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert debian.obstacle() == "it takes root on Linux"


@pytest.mark.parametrize("lists_are_old", [False, True])
def test_missing_packages_are_installed_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, lists_are_old: bool
) -> None:
    calls = tmp_path / "calls"
    # Fails until it has been told to update.
    script = f"grep -q update {calls}" if lists_are_old else "true"
    apt = f'#!/bin/sh\necho "$1" >> {calls}\ncase $1 in update) ;; *) {script} ;; esac\n'
    executable(tmp_path / "bin" / "apt-get", apt)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(debian, "_CGROUPS", tmp_path)
    monkeypatch.setattr(debian, "missing_packages", lambda: ["runc"])
    said: list[str] = []
    debian.ensure_packages(said.append)
    assert said == ["installing Debian packages for a real Kubernetes node: runc"]
    expected = ["install", "update", "install"] if lists_are_old else ["install"]
    assert calls.read_text().split() == expected


def test_the_real_provider_is_the_one_on_path_else_the_latest_that_is_installed(
    tmp_path: Path,
) -> None:
    environ = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}
    assert find_real_provider(environ) is None
    plugins = tmp_path / ".pulumi" / "plugins"
    for version in ("4.9.1", "4.34.2", "4.8.0"):
        executable(plugins / f"resource-kubernetes-v{version}" / NAME, "#!/bin/sh\n")
    (plugins / "resource-kubernetes-v5.0.0").mkdir()
    assert find_real_provider(environ) == plugins / "resource-kubernetes-v4.34.2" / NAME
    on_path = executable(tmp_path / "bin" / NAME, "#!/bin/sh\n")
    assert find_real_provider(environ) == on_path


def test_a_process_of_the_node_is_started_again_and_then_ends_it_with_its_last_errors(
    tmp_path: Path,
) -> None:
    script = (
        "echo 'I0102 all is well'; "
        'i=0; while [ $i -lt 9 ]; do i=$((i+1)); echo "E0102 no $i"; done; exit 3'
    )
    member = Member(
        {
            "start": "kubelet",
            "command": ["sh", "-c", script],
            "log": str(tmp_path / "kubelet.log"),
            "again": 1,
        }
    )
    first = member.process.pid
    member.ended(os.waitpid(first, 0)[1])
    assert member.process.pid != first
    with pytest.raises(SystemExit) as told:
        member.ended(os.waitpid(member.process.pid, 0)[1])
    assert str(told.value) == "kubelet ended with 3\n" + "\n".join(
        f"E0102 no {number}" for number in (5, 6, 7, 8, 9)
    )
