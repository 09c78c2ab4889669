"""Where a served model is found: by clients, and by whoever looks after it."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_kubernetes.core.v1 import Service

from infra.serving.tf_serving.args import ClusterAccess, KubernetesModelArgs
from infra.serving.tf_serving.doors import track_service
from infra.serving.tf_serving.marks import model_selector
from infra.serving.tf_serving.servers import GRPC_PORT, REST_PORT, Server


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """REST as a URL, gRPC as host and port, and commands for a terminal."""

    rest: pulumi.Output[str]
    grpc: pulumi.Output[str]
    log: str
    port_forward: str
    tracks: Mapping[str, Mapping[str, Any]]


def addresses(args: KubernetesModelArgs, served: tuple[Server, ...], service: Service) -> Addresses:
    """Give a model's addresses; those inside the cluster are names of its DNS."""
    rest, grpc = _doors(args, service)
    kubectl = kubectl_command(args.access, args.namespace)
    selector = ",".join(f"{key}={value}" for key, value in model_selector(args).items())
    return Addresses(
        rest=rest,
        grpc=grpc,
        log=f"{kubectl} logs --prefix --tail=200 --all-containers -l {selector}",
        port_forward=f"{kubectl} port-forward service/{args.model} {REST_PORT} {GRPC_PORT}",
        tracks={server.track: _track(args, server, served) for server in served},
    )


def kubectl_command(access: ClusterAccess, namespace: str) -> str:
    """Start a kubectl command that a user can paste."""
    context = f" --context {shlex.quote(access.context)}" if access.context else ""
    return f"kubectl{context} -n {namespace}"


def _doors(
    args: KubernetesModelArgs, service: Service
) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
    route, exposure = args.exposure.gateway, args.exposure
    if route is not None:
        return (
            pulumi.Output.from_input(f"{route.scheme}://{route.rest_host}"),
            pulumi.Output.from_input(route.grpc_host),
        )
    host: pulumi.Output[str] = pulumi.Output.from_input(_inside(args, args.model))
    if exposure.service_type == "LoadBalancer":
        host = service.status.apply(lambda status: _balancer(args, status))
    grpc = host.apply(lambda at: f"{at}:{GRPC_PORT}")
    if exposure.ingress is not None:
        scheme = "https" if exposure.ingress.tls_secret else "http"
        return pulumi.Output.from_input(f"{scheme}://{exposure.ingress.host}"), grpc
    return host.apply(lambda at: f"http://{at}:{REST_PORT}"), grpc


def _balancer(args: KubernetesModelArgs, status: Any) -> str:
    entries = (status.load_balancer.ingress if status and status.load_balancer else None) or []
    found = next((entry.hostname or entry.ip for entry in entries), None)
    return found or _inside(args, args.model)


def _track(
    args: KubernetesModelArgs, server: Server, served: tuple[Server, ...]
) -> Mapping[str, Any]:
    has_own_door = len(served) > 1 or args.exposure.gateway is not None
    host = _inside(args, track_service(args, server.track) if has_own_door else args.model)
    return {
        "version": server.version or "latest",
        "rest": f"http://{host}:{REST_PORT}",
        "grpc": f"{host}:{GRPC_PORT}",
        "replicas": server.scaling.min_replicas,
    }


def _inside(args: KubernetesModelArgs, service: str) -> str:
    return f"{service}.{args.namespace}.svc.cluster.local"
