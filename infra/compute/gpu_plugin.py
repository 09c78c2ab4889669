"""NVIDIA's device plug-in, where the cloud does not bring it: what makes GPUs known to pods.

Accelerated images of EKS have driver and container toolkit, and no plug-in. Taking turns on one
accelerator is a setting of the plug-in, so nodes of each way have a plug-in of their own.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_kubernetes.apps.v1 import DaemonSet, DaemonSetSpecArgs
from pulumi_kubernetes.core.v1 import (
    AffinityArgs,
    CapabilitiesArgs,
    ConfigMap,
    ConfigMapVolumeSourceArgs,
    ContainerArgs,
    EnvVarArgs,
    HostPathVolumeSourceArgs,
    NodeAffinityArgs,
    NodeSelectorArgs,
    NodeSelectorRequirementArgs,
    NodeSelectorTermArgs,
    PodSpecArgs,
    PodTemplateSpecArgs,
    ResourceRequirementsArgs,
    SecurityContextArgs,
    TolerationArgs,
    VolumeArgs,
    VolumeMountArgs,
)
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs

from infra.compute.eks_pools import ACCELERATOR_LABEL, SHARING_LABEL
from infra.compute.pools import NVIDIA_GPU
from infra.names import content_name

COMPONENT_TYPE: Final = "servestack:compute:GpuPlugin"
IMAGE: Final = "nvcr.io/nvidia/k8s-device-plugin:v0.17.4"
_NAME: Final = "servestack-gpu-plugin"
_NAMESPACE: Final = "kube-system"
_SETTINGS_DIRECTORY: Final = "/config"
_SETTINGS_FILE: Final = "config.yaml"
_SOCKETS: Final = "/var/lib/kubelet/device-plugins"


@dataclass(frozen=True, kw_only=True)
class GpuPluginArgs:
    """How many containers take turns on an accelerator, on the nodes of each kind; None is one."""

    clients_per_gpu: Collection[int | None]


class GpuPlugin(pulumi.ComponentResource):
    """The plug-in on every node with accelerators."""

    def __init__(
        self, name: str, args: GpuPluginArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        # By their names in the cluster, which one stack alone has.
        for clients in sorted(set(args.clients_per_gpu), key=lambda count: count or 0):
            self._plugin(f"{_NAME}-{clients or 'whole'}", clients)
        self.register_outputs({})

    def _plugin(self, name: str, clients: int | None) -> None:
        labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "servestack"}
        settings = _settings(clients)
        config = ConfigMap(
            name,
            metadata=ObjectMetaArgs(
                # Other settings are another object, so that the plug-in rolls over to them.
                name=content_name(name, content=settings),
                namespace=_NAMESPACE,
                labels=labels,
            ),
            data={_SETTINGS_FILE: settings},
            opts=pulumi.ResourceOptions(parent=self),
        )
        DaemonSet(
            name,
            metadata=ObjectMetaArgs(name=name, namespace=_NAMESPACE, labels=labels),
            spec=DaemonSetSpecArgs(
                selector=LabelSelectorArgs(match_labels=labels),
                template=PodTemplateSpecArgs(
                    metadata=ObjectMetaArgs(labels=labels),
                    spec=_pod(clients, config.metadata.name.apply(str)),
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _pod(clients: int | None, config: pulumi.Output[str]) -> PodSpecArgs:
    return PodSpecArgs(
        priority_class_name="system-node-critical",
        affinity=_nodes(clients),
        tolerations=[
            TolerationArgs(key=NVIDIA_GPU, operator="Exists", effect="NoSchedule"),
            TolerationArgs(key="CriticalAddonsOnly", operator="Exists"),
        ],
        containers=[
            ContainerArgs(
                name="plugin",
                image=IMAGE,
                env=[
                    EnvVarArgs(name="CONFIG_FILE", value=f"{_SETTINGS_DIRECTORY}/{_SETTINGS_FILE}")
                ],
                security_context=SecurityContextArgs(
                    allow_privilege_escalation=False,
                    read_only_root_filesystem=True,
                    capabilities=CapabilitiesArgs(drop=["ALL"]),
                ),
                resources=ResourceRequirementsArgs(
                    requests={"cpu": "10m", "memory": "64Mi"}, limits={"memory": "256Mi"}
                ),
                volume_mounts=[
                    VolumeMountArgs(name="sockets", mount_path=_SOCKETS),
                    VolumeMountArgs(name="settings", mount_path=_SETTINGS_DIRECTORY),
                ],
            )
        ],
        volumes=[
            VolumeArgs(name="sockets", host_path=HostPathVolumeSourceArgs(path=_SOCKETS)),
            VolumeArgs(name="settings", config_map=ConfigMapVolumeSourceArgs(name=config)),
        ],
    )


def _nodes(clients: int | None) -> AffinityArgs:
    shared = (
        NodeSelectorRequirementArgs(key=SHARING_LABEL, operator="DoesNotExist")
        if clients is None
        else NodeSelectorRequirementArgs(key=SHARING_LABEL, operator="In", values=[str(clients)])
    )
    return AffinityArgs(
        node_affinity=NodeAffinityArgs(
            required_during_scheduling_ignored_during_execution=NodeSelectorArgs(
                node_selector_terms=[
                    NodeSelectorTermArgs(
                        match_expressions=[
                            NodeSelectorRequirementArgs(key=ACCELERATOR_LABEL, operator="Exists"),
                            shared,
                        ]
                    )
                ]
            )
        )
    )


def _settings(clients: int | None) -> str:
    """Write the plug-in's settings as JSON, which is YAML too."""
    document: dict[str, object] = {"version": "v1", "flags": {"migStrategy": "none"}}
    if clients is not None:
        turns = {"resources": [{"name": NVIDIA_GPU, "replicas": clients}]}
        document["sharing"] = {"timeSlicing": turns}
    return json.dumps(document, sort_keys=True)
