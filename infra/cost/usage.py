"""What of a stack's resources is paid for by the hour, and how many of it. Pure.

Reads what the program declares, by resource type, so that a further platform needs an entry here
and nothing else. What no entry knows is not estimated, and the estimate says so.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Resources = Mapping[str, Mapping[str, Any]]
_ZONE: Final = re.compile(r"([a-z]+-[a-z]+[0-9]+)-[a-z]")


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Some of one thing that is billed by the hour: at the least, and at the most.

    None is what cannot be told before it is there.
    """

    what: str
    price: str
    least: float | None
    most: float | None


def usages(resources: Resources, *, region: str) -> Iterator[Usage]:
    """Find everything that is billed by the hour; `region` is where a resource says nothing."""
    for urn, inputs in resources.items():
        type_ = urn.rpartition("::")[0].rsplit("::", 1)[-1].rsplit("$", 1)[-1]
        reader = _READERS.get(type_)
        if reader is not None:
            yield from reader(urn.rpartition("::")[2], inputs, region, resources)


_Reader = Callable[[str, Mapping[str, Any], str, Resources], Iterator[Usage]]


def _gke_cluster(name: str, inputs: Mapping[str, Any], _: str, __: Resources) -> Iterator[Usage]:
    yield Usage(what=f"cluster {name}", price="gcp/cluster", least=1, most=1)
    if inputs.get("enableAutopilot"):
        # Autopilot bills what pods ask for, by prices that change with their class.
        yield Usage(
            what=f"pods of Autopilot cluster {name}", price="gcp/autopilot", least=None, most=None
        )


def _gke_pool(name: str, inputs: Mapping[str, Any], region: str, _: Resources) -> Iterator[Usage]:
    node = inputs.get("nodeConfig") or {}
    least, most = _gke_nodes(inputs)
    place = _region(inputs.get("location"), region)
    spot = "/spot" if node.get("spot") else ""
    machine = node.get("machineType") or "unknown"
    yield Usage(
        what=f"nodes {name} ({machine})",
        price=f"gcp/{place}/{machine}{spot}",
        least=least,
        most=most,
    )
    for gpu in node.get("guestAccelerators") or ():
        count = float(gpu.get("count") or 1)
        yield Usage(
            what=f"GPUs of {name} ({gpu.get('type')})",
            price=f"gcp/{place}/gpu/{gpu.get('type')}{spot}",
            least=None if least is None else least * count,
            most=None if most is None else most * count,
        )


def _gke_nodes(inputs: Mapping[str, Any]) -> tuple[float | None, float | None]:
    scaling = inputs.get("autoscaling") or {}
    if "totalMaxNodeCount" in scaling:
        return _number(scaling.get("totalMinNodeCount") or 0), _number(scaling["totalMaxNodeCount"])
    zones = len(inputs.get("nodeLocations") or ()) or 1
    if "maxNodeCount" in scaling:
        least, most = scaling.get("minNodeCount") or 0, scaling["maxNodeCount"]
        return _times(_number(least), zones), _times(_number(most), zones)
    fixed = inputs.get("nodeCount", inputs.get("initialNodeCount"))
    count = None if fixed is None else _times(_number(fixed), zones)
    return count, count


def _eks_cluster(name: str, _: Mapping[str, Any], region: str, __: Resources) -> Iterator[Usage]:
    yield Usage(what=f"cluster {name}", price=f"aws/{region}/eks-cluster", least=1, most=1)


def _eks_group(name: str, inputs: Mapping[str, Any], region: str, _: Resources) -> Iterator[Usage]:
    scaling = inputs.get("scalingConfig") or {}
    (machine, *_others) = inputs.get("instanceTypes") or ["unknown"]
    spot = "/spot" if inputs.get("capacityType") == "SPOT" else ""
    yield Usage(
        what=f"nodes {name} ({machine})",
        price=f"aws/{region}/{machine}{spot}",
        least=_number(scaling.get("minSize")),
        most=_number(scaling.get("maxSize")),
    )


def _sagemaker(
    name: str, inputs: Mapping[str, Any], region: str, resources: Resources
) -> Iterator[Usage]:
    for variant in inputs.get("productionVariants") or ():
        if variant.get("serverlessConfig"):
            # Billed by the requests and how long they take, which nobody knows beforehand.
            yield Usage(
                what=f"requests of {name} (serverless)",
                price=f"aws/{region}/sagemaker/serverless",
                least=None,
                most=None,
            )
            continue
        machine = variant.get("instanceType") or "unknown"
        least, most = _scaled(name, variant, resources)
        yield Usage(
            what=f"instances of {name} ({machine})",
            price=f"aws/{region}/sagemaker/{machine}",
            least=least,
            most=most,
        )


def _scaled(
    name: str, variant: Mapping[str, Any], resources: Resources
) -> tuple[float | None, float | None]:
    first = _number(variant.get("initialInstanceCount"))
    suffix = f"/variant/{variant.get('variantName')}"
    for urn, inputs in resources.items():
        is_target = "appautoscaling/target:Target::" in urn
        of_model = urn.rpartition("::")[2].startswith(name)
        if is_target and of_model and str(inputs.get("resourceId", "")).endswith(suffix):
            return _number(inputs.get("minCapacity")), _number(inputs.get("maxCapacity"))
    return first, first


def _vertex(name: str, inputs: Mapping[str, Any], region: str, _: Resources) -> Iterator[Usage]:
    machine, scaling = inputs.get("machine") or {}, inputs.get("scaling") or {}
    place = (inputs.get("place") or {}).get("region") or region
    least, most = _number(scaling.get("min_replicas")), _number(scaling.get("max_replicas"))
    spot = "/spot" if machine.get("spot") else ""
    kind = machine.get("type") or "unknown"
    yield Usage(
        what=f"replicas of {name} ({kind})",
        price=f"gcp/{place}/vertex/{kind}{spot}",
        least=least,
        most=most,
    )
    count = float(machine.get("accelerator_count") or 0)
    if count:
        gpu = str(machine.get("accelerator")).lower().replace("_", "-")
        yield Usage(
            what=f"GPUs of {name} ({gpu})",
            price=f"gcp/{place}/vertex/gpu/{gpu}{spot}",
            least=_times(least, count),
            most=_times(most, count),
        )


_READERS: Final[Mapping[str, _Reader]] = {
    "gcp:container/cluster:Cluster": _gke_cluster,
    "gcp:container/nodePool:NodePool": _gke_pool,
    "aws:eks/cluster:Cluster": _eks_cluster,
    "aws:eks/nodeGroup:NodeGroup": _eks_group,
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": _sagemaker,
    "pulumi-python:dynamic/servestack:VertexDeployment": _vertex,
}


def _region(location: object, fallback: str) -> str:
    if not isinstance(location, str):
        return fallback
    zone = _ZONE.fullmatch(location)
    return zone[1] if zone else location


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
