"""The programs of a cluster: which there are, and where they come from.

Owns the pins (go/*/go.mod, go.sum). A program of the control plane comes from KUBEBUILDER_ASSETS
where that has it, `kubectl` from PATH; the rest is built from its Go modules (`tools.programs`).
"""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tools.programs import GoProgram, ensure_programs, program_places

VERSION: Final = "1.34.1"
KIND: Final = "cluster"
_MODULES: Final = Path(__file__).parent / "go"
_STAMP: Final = "k8s.io/component-base/version."
_, _MINOR, _ = VERSION.split(".")
# Unstamped, an API server calls itself v0.0.0 and clients take it for older than anything.
_LINKER_FLAGS: Final = (
    f"-s -w -X {_STAMP}gitVersion=v{VERSION} -X {_STAMP}gitMajor=1 -X {_STAMP}gitMinor={_MINOR} "
    f"-X {_STAMP}gitTreeState=clean"
)


def _kubernetes(name: str, build_seconds: int) -> GoProgram:
    return GoProgram(
        name=name,
        package=f"k8s.io/kubernetes/cmd/{name}",
        module=_MODULES / "kubernetes",
        linker_flags=_LINKER_FLAGS,
        build_seconds=build_seconds,
    )


CONTROL_PLANE: Final = (
    GoProgram(
        name="etcd",
        package="go.etcd.io/etcd/server/v3",
        module=_MODULES / "etcd",
        build_seconds=30,
    ),
    _kubernetes("kube-apiserver", 150),
    _kubernetes("kube-controller-manager", 30),
    _kubernetes("kube-scheduler", 10),
    _kubernetes("kubectl", 10),
    GoProgram(
        name="kwok",
        package="sigs.k8s.io/kwok/cmd/kwok",
        module=_MODULES / "kwok",
        build_seconds=60,
    ),
)
NODE: Final = (_kubernetes("kubelet", 30), _kubernetes("kube-proxy", 10))


def ensure_cluster_programs(
    *, with_node: bool, environ: Mapping[str, str], progress: Callable[[str], None]
) -> dict[str, Path]:
    """Return where each program is, by its name."""
    found, wanted = _sorted_out(environ, with_node=with_node)
    return found | ensure_programs(wanted, kind=KIND, environ=environ, progress=progress)


def find_cluster_programs(*, with_node: bool, environ: Mapping[str, str]) -> dict[str, Path] | None:
    """Return where each program is, None if one is yet to be built: that takes minutes."""
    found, wanted = _sorted_out(environ, with_node=with_node)
    places = found | program_places(wanted, kind=KIND, environ=environ)
    return places if all(place.exists() for place in places.values()) else None


def _sorted_out(
    environ: Mapping[str, str], *, with_node: bool
) -> tuple[dict[str, Path], list[GoProgram]]:
    programs = (*CONTROL_PLANE, *NODE) if with_node else CONTROL_PLANE
    found = {
        program.name: place for program in programs if (place := _installed(program.name, environ))
    }
    return found, [program for program in programs if program.name not in found]


def _installed(name: str, environ: Mapping[str, str]) -> Path | None:
    assets = environ.get("KUBEBUILDER_ASSETS")
    if assets and os.access(given := Path(assets, name), os.X_OK):
        return given
    on_path = shutil.which(name, path=environ.get("PATH", "")) if name == "kubectl" else None
    return Path(on_path) if on_path else None
