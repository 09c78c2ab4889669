"""The doors of a model: Services, an Ingress, routes on a Gateway, and who may come in. Pure.

Without a Gateway one Service leads to the pods of both versions. With one, the Gateway divides by
weight, and the Service itself leads to the stable version only.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from pulumi_kubernetes.core.v1 import ServicePortArgs, ServiceSpecArgs
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs
from pulumi_kubernetes.networking.v1 import (
    HTTPIngressPathArgs,
    HTTPIngressRuleValueArgs,
    IngressBackendArgs,
    IngressRuleArgs,
    IngressServiceBackendArgs,
    IngressSpecArgs,
    IngressTLSArgs,
    NetworkPolicyEgressRuleArgs,
    NetworkPolicyIngressRuleArgs,
    NetworkPolicyPeerArgs,
    NetworkPolicyPortArgs,
    NetworkPolicySpecArgs,
    ServiceBackendPortArgs,
)

from infra.names import CANARY, model_object_name
from infra.serving.tf_serving.args import GatewayRoute, Ingress, KubernetesModelArgs
from infra.serving.tf_serving.marks import model_selector, track_selector
from infra.serving.tf_serving.servers import GRPC_PORT, REST_PORT, Server
from infra.serving.tf_serving.sources import FetchFromS3, ModelSource, MountedClaim
from model_export.manifest import Manifest

GATEWAY_API: Final = "gateway.networking.k8s.io/v1"
_NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"
_DNS_PORT: Final = 53
_HTTP_PORT: Final = 80
_HTTPS_PORT: Final = 443
# GKE's metadata server behind its usual address.
_METADATA_PORTS: Final = (987, 988)


@dataclass(frozen=True, kw_only=True)
class Door:
    """A Service: its name in the namespace, its name in the state, and what it leads to."""

    key: str
    name: str
    spec: ServiceSpecArgs
    annotations: Mapping[str, str]


def services(args: KubernetesModelArgs, served: tuple[Server, ...]) -> Iterator[Door]:
    """Give the Services: the model's, one a version where they are told apart, a headless one."""
    exposure = args.exposure
    front = model_selector(args) if exposure.gateway is None else track_selector(args, "stable")
    yield Door(
        key="",
        name=args.model,
        spec=_service(front, type_=exposure.service_type),
        annotations=exposure.service_annotations,
    )
    if args.canary is not None or exposure.gateway is not None:
        for server in served:
            yield Door(
                key=server.track,
                name=track_service(args, server.track),
                spec=_service(track_selector(args, server.track)),
                annotations={},
            )
    if exposure.headless:
        yield Door(
            key="headless",
            name=model_object_name(args.model, "headless"),
            spec=_service(front, headless=True),
            annotations={},
        )


def track_service(args: KubernetesModelArgs, track: str) -> str:
    """Name the Service of one version's pods."""
    return model_object_name(args.model, track)


def _service(
    selector: Mapping[str, str], *, type_: str = "ClusterIP", headless: bool = False
) -> ServiceSpecArgs:
    return ServiceSpecArgs(
        type=type_,
        cluster_ip="None" if headless else None,
        selector=selector,
        ports=[
            ServicePortArgs(
                name="rest",
                port=REST_PORT,
                target_port="rest",
                protocol="TCP",
                app_protocol="http",
            ),
            ServicePortArgs(
                name="grpc",
                port=GRPC_PORT,
                target_port="grpc",
                protocol="TCP",
                # By this name proxies know that it is HTTP/2 without TLS.
                app_protocol="kubernetes.io/h2c",
            ),
        ],
    )


def ingress(args: KubernetesModelArgs, door: Ingress) -> IngressSpecArgs:
    """Lead a host's requests to REST."""
    backend = IngressBackendArgs(
        service=IngressServiceBackendArgs(name=args.model, port=ServiceBackendPortArgs(name="rest"))
    )
    return IngressSpecArgs(
        ingress_class_name=door.class_name,
        rules=[
            IngressRuleArgs(
                host=door.host,
                http=HTTPIngressRuleValueArgs(
                    paths=[
                        HTTPIngressPathArgs(
                            path=f"/v1/models/{args.model}", path_type="Prefix", backend=backend
                        )
                    ]
                ),
            )
        ],
        tls=(
            [IngressTLSArgs(hosts=[door.host], secret_name=door.tls_secret)]
            if door.tls_secret
            else None
        ),
    )


def http_route(args: KubernetesModelArgs, route: GatewayRoute) -> Mapping[str, Any]:
    """Divide REST requests; those that name a version or a label go where it is served."""
    rules: list[Mapping[str, Any]] = []
    if args.canary is not None:
        by_header = {"headers": [_header(route)], "path": _prefix("/v1/models")}
        rules += [
            {
                "matches": [*_naming(args, args.canary.published), by_header],
                "backendRefs": [_backend(args, CANARY, REST_PORT)],
            },
            {
                "matches": _naming(args, args.stable),
                "backendRefs": [_backend(args, "stable", REST_PORT)],
            },
        ]
    rules.append(
        {
            "matches": [{"path": _prefix("/v1/models")}],
            "backendRefs": _weighted(args, REST_PORT),
        }
    )
    return _route(route, route.rest_host, rules)


def grpc_route(args: KubernetesModelArgs, route: GatewayRoute) -> Mapping[str, Any]:
    """Divide gRPC calls; the version that a call names is in its body, where no route looks."""
    rules: list[Mapping[str, Any]] = []
    if args.canary is not None:
        rules.append(
            {
                "matches": [{"headers": [_header(route)]}],
                "backendRefs": [_backend(args, CANARY, GRPC_PORT)],
            }
        )
    rules.append({"backendRefs": _weighted(args, GRPC_PORT)})
    return _route(route, route.grpc_host, rules)


def network_policy(args: KubernetesModelArgs) -> NetworkPolicySpecArgs:
    """Refuse all but requests to the two ports, name look-ups, and the way to the bucket."""
    return NetworkPolicySpecArgs(
        pod_selector=LabelSelectorArgs(match_labels=model_selector(args)),
        policy_types=["Ingress", "Egress"],
        ingress=[
            NetworkPolicyIngressRuleArgs(
                from_=_clients(args),
                ports=[
                    NetworkPolicyPortArgs(port=port, protocol="TCP")
                    for port in (GRPC_PORT, REST_PORT)
                ],
            )
        ],
        egress=bucket_egress(args.source),
    )


def _clients(args: KubernetesModelArgs) -> list[NetworkPolicyPeerArgs] | None:
    exposure = args.exposure
    if exposure.client_namespaces:
        return [
            NetworkPolicyPeerArgs(
                namespace_selector=LabelSelectorArgs(match_labels={_NAMESPACE_NAME: name})
            )
            for name in exposure.client_namespaces
        ]
    from_outside = (
        exposure.service_type != "ClusterIP"
        or exposure.ingress is not None
        or exposure.gateway is not None
    )
    # Load balancers and managed gateways come from addresses that are no pod's.
    return None if from_outside else [NetworkPolicyPeerArgs(namespace_selector=LabelSelectorArgs())]


def bucket_egress(source: ModelSource) -> list[NetworkPolicyEgressRuleArgs]:
    """Let out what a pod needs to reach the bucket."""
    if isinstance(source, MountedClaim):
        return []  # the node mounts it; the pod itself asks nobody
    return [
        NetworkPolicyEgressRuleArgs(
            ports=[
                NetworkPolicyPortArgs(port=_DNS_PORT, protocol=protocol)
                for protocol in ("UDP", "TCP")
            ]
        ),
        # The bucket and the cloud's identity service; neither has addresses that could be named.
        NetworkPolicyEgressRuleArgs(
            ports=[
                NetworkPolicyPortArgs(port=port, protocol="TCP") for port in _bucket_ports(source)
            ]
        ),
    ]


def _naming(args: KubernetesModelArgs, published: Manifest | None) -> list[Mapping[str, Any]]:
    """Match the paths that ask for one version, by number or by label."""
    if published is None:
        return []
    labels = sorted(label for label, at in args.settings.labels.items() if at == published.version)
    ends = [f"versions/{published.version}", *(f"labels/{label}" for label in labels)]
    # TF Serving puts the verb behind a colon, where a prefix by whole segments does not match.
    return [
        {"path": {"type": "RegularExpression", "value": f"/v1/models/{args.model}/{end}([:/].*)?"}}
        for end in ends
    ]


def _bucket_ports(source: ModelSource) -> list[int]:
    """Give the ports of the bucket, and those by which the clouds hand out identities."""
    identities = [_HTTP_PORT, *_METADATA_PORTS]
    if not isinstance(source, FetchFromS3) or source.endpoint is None:
        return sorted({_HTTPS_PORT, *identities})
    place = urlsplit(source.endpoint)
    port = place.port or (_HTTP_PORT if place.scheme == "http" else _HTTPS_PORT)
    return sorted({port} if source.secret else {port, _HTTPS_PORT, *identities})


def _weighted(args: KubernetesModelArgs, port: int) -> list[Mapping[str, Any]]:
    if args.canary is None:
        return [_backend(args, "stable", port)]
    return [
        _backend(args, "stable", port, weight=100 - args.canary.share),
        _backend(args, CANARY, port, weight=args.canary.share),
    ]


def _backend(
    args: KubernetesModelArgs, track: str, port: int, *, weight: int | None = None
) -> Mapping[str, Any]:
    reference: dict[str, Any] = {"name": track_service(args, track), "port": port}
    return reference if weight is None else {**reference, "weight": weight}


def _prefix(path: str) -> Mapping[str, str]:
    return {"type": "PathPrefix", "value": path}


def _header(route: GatewayRoute) -> Mapping[str, str]:
    return {"type": "Exact", "name": route.canary_header, "value": "always"}


def _route(route: GatewayRoute, host: str, rules: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {
        "parentRefs": [{"name": route.gateway, "namespace": route.gateway_namespace}],
        "hostnames": [host],
        "rules": rules,
    }
