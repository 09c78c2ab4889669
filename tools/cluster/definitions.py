"""Custom resource definitions of what a stack may use, from their makers' own Go modules.

Owns the pins and the way into the cache; the modules are checked against the sums written here.
What is defined is validated by the API server, and nothing more: no gateway routes, no KEDA scales.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tools.cluster.control_plane import READY_SECONDS, Cluster
from tools.engine.build import go_in_module
from tools.engine.cache import cache_directory, locked, staged
from tools.engine.errors import EngineError, WayClosedError

_EMPTY_MODULE: Final = Path(__file__).parent / "go" / "definitions"
_COLLECTION: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A Go module, its sum as go.sum has it, and the definitions in it (GROUP_PLURAL.yaml)."""

    module: str
    sum: str
    folder: str
    files: tuple[str, ...]


def _files(group: str, *plurals: str) -> tuple[str, ...]:
    return tuple(f"{group}_{plural}.yaml" for plural in plurals)


SOURCES: Final[Mapping[str, Source]] = {
    "gateway-api": Source(
        module="sigs.k8s.io/gateway-api@v1.3.0",
        sum="h1:q6okN+/UKDATola4JY7zXzx40WO4VISk7i9DIfOvr9M=",
        folder="config/crd/standard",
        files=_files(
            "gateway.networking.k8s.io",
            *("gatewayclasses", "gateways", "grpcroutes", "httproutes", "referencegrants"),
        ),
    ),
    "keda": Source(
        module="github.com/kedacore/keda/v2@v2.17.2",
        sum="h1:xlrcK5TKABJF9PebK79sgL07s/csGjL3H4m72OkZXxk=",
        folder="config/crd/bases",
        files=_files("keda.sh", "scaledobjects", "triggerauthentications"),
    ),
    "prometheus-operator": Source(
        module="github.com/prometheus-operator/prometheus-operator@v0.85.0",
        sum="h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
        folder="example/prometheus-operator-crd-full",
        files=_files("monitoring.coreos.com", "podmonitors", "prometheusrules", "servicemonitors"),
    ),
}


def ensure_definitions(
    *, environ: Mapping[str, str], progress: Callable[[str], None]
) -> dict[str, Path]:
    """Return the directory of each source's definitions."""
    home = cache_directory(environ) / "cluster-definitions"
    places = {
        name: home / f"{name}-{source.module.rpartition('@')[2]}"
        for name, source in SOURCES.items()
    }
    if all(place.exists() for place in places.values()):
        return places
    with locked(home, progress):
        for name, place in places.items():
            if not place.exists():
                with staged(place) as (content, scratch):
                    _fetch(SOURCES[name], content, scratch, environ, progress)
    return places


def _fetch(
    source: Source,
    content: Path,
    scratch: Path,
    environ: Mapping[str, str],
    progress: Callable[[str], None],
) -> None:
    try:
        go = go_in_module(_EMPTY_MODULE, scratch, environ, progress)
        found = json.loads(go("mod", "download", "-json", source.module))
    except WayClosedError as reason:
        raise EngineError(
            f"{source.module}, which defines custom resources, cannot be had: {reason}. It needs "
            "Go on PATH and Go's module proxy, once."
        ) from reason
    if found["Sum"] != source.sum:
        raise EngineError(f"{source.module} has the sum {found['Sum']}, not {source.sum}.")
    for name in source.files:
        shutil.copyfile(Path(found["Dir"], source.folder, name), content / name)


def install(cluster: Cluster, directory: Path) -> None:
    """Make a cluster know the custom resources that are defined in a directory's files."""
    names = {_name(file): file for file in sorted(directory.glob("*.yaml"))}
    for name, file in names.items():
        cluster.call(
            "PATCH",
            f"{_COLLECTION}/{name}?fieldManager=tests&force=true",
            file.read_text(),
            media_type="application/apply-patch+yaml",
        )

    def established() -> bool:
        return all(_is_established(cluster.call("GET", f"{_COLLECTION}/{name}")) for name in names)

    cluster.family.wait_until(
        f"{directory.name} is established", established, seconds=READY_SECONDS
    )


def remove(cluster: Cluster, directory: Path) -> None:
    """Make a cluster forget them, and every such resource."""
    names = [_name(file) for file in sorted(directory.glob("*.yaml"))]
    for name in names:
        cluster.call("DELETE", f"{_COLLECTION}/{name}")
    cluster.family.wait_until(
        f"{directory.name} is gone",
        lambda: not any(cluster.answers(f"{_COLLECTION}/{name}") for name in names),
        seconds=READY_SECONDS,
    )


def _name(file: Path) -> str:
    group, _, plural = file.stem.partition("_")
    return f"{plural}.{group}"


def _is_established(definition: Mapping[str, Any]) -> bool:
    conditions = definition.get("status", {}).get("conditions") or []
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)
