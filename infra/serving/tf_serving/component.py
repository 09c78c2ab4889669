"""A model served by TF Serving on Kubernetes: the component that every platform's program declares.

Takes plain arguments and carries what the pure modules beside it decide. Which versions exist, what
a configuration may ask for and what the cluster has is checked before. The namespace and the bucket
are not made here, and no cloud role is.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pulumi
from pulumi_kubernetes import autoscaling
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import ConfigMap, Service, ServiceAccount
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.networking.v1 import Ingress, NetworkPolicy
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

from infra.names import content_name, service_account_name
from infra.serving.tf_serving import autoscalers, doors, monitors
from infra.serving.tf_serving.addresses import Addresses, addresses
from infra.serving.tf_serving.args import EventScaling, KubernetesModelArgs
from infra.serving.tf_serving.deployments import deployment, rollout_spec
from infra.serving.tf_serving.digests import specification_digest
from infra.serving.tf_serving.marks import object_labels
from infra.serving.tf_serving.resource import Rollout
from infra.serving.tf_serving.servers import Server, config_files, servers, share_given

COMPONENT_TYPE: Final = "servestack:serving:KubernetesModel"


class KubernetesModel(pulumi.ComponentResource):
    """A model behind REST and gRPC in a cluster."""

    rest: pulumi.Output[str]
    grpc: pulumi.Output[str]
    log: pulumi.Output[str]
    share: pulumi.Output[float | None]
    more: Mapping[str, Any]

    def __init__(
        self, name: str, args: KubernetesModelArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        self._name = name
        self._args = args
        served = servers(args)
        account = ServiceAccount(
            name,
            metadata=self._metadata(
                service_account_name(args.model), args.service_account_annotations
            ),
            automount_service_account_token=False,
            opts=self._child(),
        )
        ready = self._servers(served, account)
        self._guards(served)
        service = self._doors(served, ready)
        at = addresses(args, served, service)
        share = share_given(args)
        self.rest, self.grpc = at.rest, at.grpc
        self.log = pulumi.Output.from_input(at.log)
        given = share.percent if share else args.canary.share if args.canary else None
        self.share = pulumi.Output.from_input(given)
        self.more = _more(args, at, given)
        self.register_outputs({"rest": self.rest, "grpc": self.grpc, "log": self.log})

    def _servers(self, served: tuple[Server, ...], account: ServiceAccount) -> list[Rollout]:
        """Declare the servers, the canary's first: before it is ready, stable stays as it is."""
        ready: list[Rollout] = []
        for server in reversed(served):
            ready.append(self._server(server, [account, *ready]))
        return ready

    def _server(self, server: Server, before: Sequence[pulumi.Resource]) -> Rollout:
        args = self._args
        files = config_files(server, args)
        # Named by content in the state too: pods that still run keep theirs until they are gone,
        # also when the roll-out that was to replace them fails.
        config_map = content_name(args.model, content=repr(sorted(files.items())))
        config = ConfigMap(
            self._key(config_map.removeprefix(f"{args.model}-")),
            metadata=self._metadata(config_map),
            data=files,
            immutable=True,
            opts=self._child(),
        )
        key = self._key("" if server.track == "stable" else server.track)
        specification = deployment(args, server, config_map=config_map)
        made = Deployment(
            key,
            # `Rollout` waits instead: it ends as soon as the reason is certain, and tells it.
            metadata=self._metadata(server.name, {"pulumi.com/skipAwait": "true"}),
            spec=specification,
            opts=self._child(depends_on=[*before, config]),
        )
        self._autoscaler(server)
        return Rollout(
            key,
            rollout_spec(args, server, digest=specification_digest(specification)),
            kubeconfig=args.access.kubeconfig,
            context=args.access.context,
            opts=self._child(depends_on=[made]),
        )

    def _autoscaler(self, server: Server) -> None:
        args, scaling = self._args, server.scaling
        if isinstance(scaling, EventScaling):
            self._custom(
                server.track, autoscalers.KEDA_API, "ScaledObject", server.name,
                autoscalers.scaled_object(server, scaling),
            )  # fmt: skip
        elif scaling.is_automatic:
            autoscaling.v2.HorizontalPodAutoscaler(
                self._key(server.track),
                metadata=self._metadata(server.name),
                spec=autoscalers.autoscaler(args, server, scaling),
                opts=self._child(),
            )

    def _guards(self, served: tuple[Server, ...]) -> None:
        args = self._args
        for server in served:
            budget = autoscalers.disruption_budget(args, server)
            if budget is not None:
                PodDisruptionBudget(
                    self._key(server.track),
                    metadata=self._metadata(server.name),
                    spec=budget,
                    opts=self._child(),
                )
        if args.exposure.network_policy:
            NetworkPolicy(
                self._name,
                metadata=self._metadata(args.model),
                spec=doors.network_policy(args),
                opts=self._child(),
            )
        match args.scrape:
            case "pod-monitoring":
                self._custom(
                    "", monitors.POD_MONITORING_API, "PodMonitoring", args.model,
                    monitors.pod_monitoring(args),
                )  # fmt: skip
            case "service-monitor":
                self._custom(
                    "", monitors.SERVICE_MONITOR_API, "ServiceMonitor", args.model,
                    monitors.service_monitor(args),
                )  # fmt: skip
            case _:
                pass

    def _doors(self, served: tuple[Server, ...], ready: list[Rollout]) -> Service:
        args = self._args
        made = {}
        for door in doors.services(args, served):
            made[door.key] = Service(
                self._key(door.key),
                metadata=ObjectMetaArgs(
                    name=door.name,
                    namespace=args.namespace,
                    labels={**object_labels(args), "servestack/door": door.key or "model"},
                    annotations=door.annotations,
                ),
                spec=door.spec,
                opts=self._child(),
            )
        if args.exposure.ingress is not None:
            Ingress(
                self._name,
                metadata=self._metadata(args.model, args.exposure.ingress.annotations),
                spec=doors.ingress(args, args.exposure.ingress),
                opts=self._child(depends_on=[made[""]]),
            )
        route = args.exposure.gateway
        if route is not None:
            # No request goes to a version before it is ready, and none to one that is gone.
            after = self._child(depends_on=[*ready, *made.values()])
            for kind, spec in (
                ("HTTPRoute", doors.http_route(args, route)),
                ("GRPCRoute", doors.grpc_route(args, route)),
            ):
                self._custom("", doors.GATEWAY_API, kind, args.model, spec, opts=after)
        return made[""]

    def _custom(
        self,
        key: str,
        api_version: str,
        kind: str,
        name: str,
        spec: Mapping[str, Any],
        *,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        CustomResource(
            self._key(f"{kind.lower()}-{key}" if key else kind.lower()),
            api_version=api_version,
            kind=kind,
            metadata=self._metadata(name),
            spec=spec,
            opts=opts or self._child(),
        )

    def _metadata(
        self, name: str, annotations: Mapping[str, pulumi.Input[str]] | None = None
    ) -> ObjectMetaArgs:
        return ObjectMetaArgs(
            name=name,
            namespace=self._args.namespace,
            labels=object_labels(self._args),
            annotations=annotations or None,
        )

    def _key(self, part: str) -> str:
        return f"{self._name}-{part}" if part else self._name

    def _child(self, depends_on: Sequence[pulumi.Resource] | None = None) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=depends_on)


def _more(args: KubernetesModelArgs, at: Addresses, given: float | None) -> Mapping[str, Any]:
    return {
        "namespace": args.namespace,
        "share": given,
        "tracks": at.tracks,
        "port_forward": at.port_forward,
    }
