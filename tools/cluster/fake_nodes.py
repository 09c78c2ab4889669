"""Nodes that are none: kwok keeps them alive and calls their pods ready, and nothing runs.

For what schedulers and controllers decide: which node a pod fits on, roll-outs, replicas. What a
kubelet would find (images, probes, mounts, memory) is not seen here.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tools.cluster.control_plane import READY_SECONDS, Cluster

ANNOTATION: Final = {"kwok.x-k8s.io/node": "fake"}
GPU: Final = "nvidia.com/gpu"


@dataclass(frozen=True, kw_only=True)
class FakeNode:
    """A node as the scheduler sees it."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Mapping[str, str]] = ()
    cpu: int = 16
    memory: str = "64Gi"
    gpus: int = 0

    def manifest(self) -> dict[str, Any]:
        """Return the Node."""
        capacity = {
            "cpu": str(self.cpu),
            "memory": self.memory,
            "ephemeral-storage": "200Gi",
            "pods": "110",
            **({GPU: str(self.gpus)} if self.gpus else {}),
        }
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": self.name,
                "annotations": dict(ANNOTATION),
                "labels": {
                    "kubernetes.io/hostname": self.name,
                    "kubernetes.io/os": "linux",
                    "kubernetes.io/arch": "amd64",
                    **self.labels,
                },
            },
            "spec": {"taints": [dict(taint) for taint in self.taints]},
            "status": {"capacity": capacity, "allocatable": capacity},
        }


CPU_NODE: Final = FakeNode(name="cpu-0", labels={"topology.kubernetes.io/zone": "zone-a"})
# GKE taints GPU nodes by itself, and says by a label which accelerator they have.
GKE_GPU_NODE: Final = FakeNode(
    name="gke-gpu-0",
    labels={
        "cloud.google.com/gke-accelerator": "nvidia-l4",
        "cloud.google.com/gke-nodepool": "gpu",
        "topology.kubernetes.io/zone": "zone-a",
        "node.kubernetes.io/instance-type": "g2-standard-8",
    },
    taints=({"key": GPU, "value": "present", "effect": "NoSchedule"},),
    cpu=8,
    memory="32Gi",
    gpus=1,
)
# EKS does not taint them.
EKS_GPU_NODE: Final = FakeNode(
    name="eks-gpu-0",
    labels={
        "eks.amazonaws.com/nodegroup": "gpu",
        "node.kubernetes.io/instance-type": "g5.xlarge",
        "topology.kubernetes.io/zone": "zone-b",
    },
    cpu=4,
    memory="16Gi",
    gpus=1,
)
FAKE_NODES: Final = (CPU_NODE, GKE_GPU_NODE, EKS_GPU_NODE)


def run_fake_nodes(cluster: Cluster, nodes: Sequence[FakeNode] = FAKE_NODES) -> None:
    """Add nodes, and let them live for as long as the cluster does."""
    ((annotation, value),) = ANNOTATION.items()
    cluster.family.start(
        "kwok",
        [
            *(str(cluster.programs["kwok"]), f"--kubeconfig={cluster.kubeconfig}"),
            "--manage-all-nodes=false",
            f"--manage-nodes-with-annotation-selector={annotation}={value}",
        ],
        environ={"PATH": os.defpath, "HOME": str(cluster.directory)},
    )
    for node in nodes:
        cluster.call("POST", "/api/v1/nodes", json.dumps(node.manifest()))

    def ready() -> bool:
        items = cluster.call("GET", "/api/v1/nodes")["items"]
        return {node.name for node in nodes} <= {
            item["metadata"]["name"] for item in items if is_ready(item)
        }

    cluster.family.wait_until("fake nodes are ready", ready, seconds=READY_SECONDS)


def is_ready(item: Mapping[str, Any]) -> bool:
    """Say whether a Node (or any object with that condition) is ready."""
    conditions = item.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
