"""Objects to try the Kubernetes stand-in with, and the stand-in without the engine around it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.standins.kubernetes.provider import Kubernetes
from tests.standins.provider import Request


class Stand:
    """The stand-in asked as the engine asks it, without the engine's seconds."""

    def __init__(self, kubeconfig: Path) -> None:
        self.provider = Kubernetes()
        self.provider.configure({"kubeconfig": str(kubeconfig)})

    def request(self, body: dict[str, Any], **more: Any) -> Request:
        group = body["apiVersion"] if "/" in body["apiVersion"] else f"core/{body['apiVersion']}"
        type_ = f"kubernetes:{group}:{body['kind']}"
        urn = f"urn:pulumi:s::p::{type_}::x"
        known = Request(urn=urn, type=type_, name="x", inputs=body, **more)
        return replace(known, inputs=self.provider.check(known).inputs)

    def preview(self, body: dict[str, Any]) -> dict[str, Any]:
        return self.provider.create(self.request(body, preview=True))[1]

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        return self.provider.create(self.request(body))[1]


def an_object(kind: str, version: str = "v1", **parts: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, **parts}


def a_deployment(namespace: str, *, cpu: str, **annotations: str) -> dict[str, Any]:
    container = {"name": "toy", "image": "toy:1", "resources": {"requests": {"cpu": cpu}}}
    labels = {"app": "toy"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return an_object(
        "Deployment",
        "apps/v1",
        metadata={
            "name": "toy",
            "namespace": namespace,
            "annotations": {f"pulumi.com/{name}": value for name, value in annotations.items()},
        },
        spec={"selector": {"matchLabels": labels}, "template": template},
    )


def a_job(namespace: str, image: str, **more: Any) -> dict[str, Any]:
    container = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", **more}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return an_object(
        "Job",
        "batch/v1",
        metadata={"name": "job", "namespace": namespace},
        spec={"backoffLimit": 0, "template": template},
    )
