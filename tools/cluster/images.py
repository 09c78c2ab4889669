"""Images for a real node, without a registry and without a copy of what is installed here.

An image is one small layer: directories, a few programs of this machine, and a list of this
machine's directories. `runtime` mounts those into each container, read-only, at their own paths: so
two gigabytes of Python and TensorFlow are neither packed nor unpacked, and a change of the code is
in the next container. To the kubelet and to containerd it is an image like any other.
"""

import gzip
import hashlib
import io
import json
import platform
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tools.cluster.processes import ClusterError
from tools.cluster.runtime import MOUNTS_FILE

# What the images that are stood in for have, and no more: a probe that needs curl shall fail here.
SHELL_PROGRAMS: Final = (
    *("bash", "cat", "chmod", "cp", "cut", "date", "dirname", "echo", "env", "false", "grep"),
    *("head", "id", "ls", "mkdir", "mv", "printf", "rm", "rmdir", "sed", "sh", "sha256sum"),
    *("sleep", "sort", "stat", "tail", "test", "touch", "tr", "true", "wc"),
)
# What dynamically linked programs need of a system; certificates, and the time zones.
_SYSTEM: Final = (
    *("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/ssl"),
    *("/usr/share/ca-certificates", "/usr/share/zoneinfo"),
)
_USERS: Final = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
_GROUPS: Final = "root:x:0:\nnogroup:x:65534:\n"
_MEDIA: Final = "application/vnd.oci.image."
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image by its full name, what starts in it, and what it has of this machine."""

    name: str
    entrypoint: Sequence[str]
    programs: Sequence[str] = SHELL_PROGRAMS
    # Scripts and other files, by their paths in the image.
    files: Mapping[str, str] = field(default_factory=dict)
    directories: Sequence[Path] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""


PAUSE: Final = Image(
    name="docker.io/local/pause:1", entrypoint=("/usr/bin/sleep", "infinity"), programs=("sleep",)
)


def write_image(image: Image, archive: Path) -> None:
    """Write an image as an OCI archive, as `ctr images import` takes it."""
    layer = _layer(image)
    packed = gzip.compress(layer, compresslevel=1, mtime=0)
    blobs: dict[str, bytes] = {}

    def described(kind: str, content: bytes, **more: Any) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        size = len(content)
        return {"mediaType": _MEDIA + kind, "digest": f"sha256:{digest}", "size": size, **more}

    machine = {"architecture": _ARCHITECTURES.get(platform.machine(), "amd64"), "os": "linux"}
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    config = {
        **machine,
        "config": {
            "Entrypoint": list(image.entrypoint),
            "Env": [f"{k}={v}" for k, v in {**environment, **image.environment}.items()],
            "WorkingDir": "/",
            "User": image.user,
        },
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"],
        },
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_MEDIA}manifest.v1+json",
        "config": described("config.v1+json", _json(config)),
        "layers": [described("layer.v1.tar+gzip", packed)],
    }
    names = {
        "io.containerd.image.name": image.name,
        "org.opencontainers.image.ref.name": image.name.rpartition(":")[2],
    }
    entry = described("manifest.v1+json", _json(manifest), annotations=names, platform=machine)
    with tarfile.open(archive, "w") as target:
        _add(target, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(target, "index.json", _json({"schemaVersion": 2, "manifests": [entry]}))
        for digest, content in sorted(blobs.items()):
            _add(target, f"blobs/sha256/{digest}", content)


def _layer(image: Image) -> bytes:
    buffer = io.BytesIO()
    mounts = [*_system_mounts(), *map(str, image.directories)]
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as layer:
        for directory in ("etc", "models", "root", "usr", "usr/bin", "usr/local", "var"):
            _add_directory(layer, directory)
        _add_directory(layer, "tmp", mode=0o1777)
        for name in ("bin", "sbin", "lib", "lib64"):
            if Path("/", name).is_symlink():
                link = tarfile.TarInfo(name)
                link.type, link.linkname = tarfile.SYMTYPE, str(Path("/", name).readlink())
                layer.addfile(link)
        _add_directory(layer, "usr/sbin")
        _add(layer, "etc/passwd", _USERS.encode())
        _add(layer, "etc/group", _GROUPS.encode())
        _add(layer, MOUNTS_FILE.lstrip("/"), _json(mounts))
        for name in image.programs:
            _add(layer, f"usr/bin/{name}", _program(name), mode=0o755)
        for path, content in image.files.items():
            _add(layer, path.lstrip("/"), content.encode(), mode=0o755)
    return buffer.getvalue()


def _system_mounts() -> list[str]:
    # Where /lib is a link, the image has the same link.
    return [path for path in _SYSTEM if Path(path).exists() and not Path(path).is_symlink()]


def _program(name: str) -> bytes:
    found = shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")
    if found is None:
        raise ClusterError(f"an image needs {name}, and this machine has none")
    return Path(found).resolve().read_bytes()


def _add(target: tarfile.TarFile, path: str, content: bytes, *, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), mode
    target.addfile(entry, io.BytesIO(content))


def _add_directory(target: tarfile.TarFile, path: str, *, mode: int = 0o755) -> None:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    target.addfile(entry)


def _json(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True).encode()
