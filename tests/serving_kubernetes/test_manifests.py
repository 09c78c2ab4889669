"""Every example's objects against Kubernetes' own schemas, and against what we promise of pods."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import kubernetes_validate
import pytest

from tests.serving_kubernetes.manifests import EXAMPLES, Manifest, manifests

# Each is quick; all of them together are not.
pytestmark = pytest.mark.slow

# The oldest that has all that pods use, and the last three.
VERSIONS = ("1.30", "1.35", "1.36", "1.37")
OTHERS_API = ("gateway.networking.k8s.io", "keda.sh", "monitoring.")


@cache
def rendered(example: str) -> list[Manifest]:
    return manifests(EXAMPLES[example])


def of_kind(kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for example in EXAMPLES:
        for found in rendered(example):
            if found["kind"] == kind:
                yield example, found


def pods() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for example, found in of_kind("Deployment"):
        yield f"{example}/{found['metadata']['name']}", found["spec"]["template"]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_to_the_letter(version: str) -> None:
    checked = 0
    for example in EXAMPLES:
        for found in rendered(example):
            # Custom resources are judged by the real API server, in tests/cluster.
            if not found["apiVersion"].startswith(OTHERS_API):
                kubernetes_validate.validate(found, version, strict=True)
                checked += 1
    assert checked > 60


def test_a_misspelt_field_is_not_valid() -> None:
    (_, deployment), *_ = of_kind("Deployment")
    wrong = {**deployment, "spec": {**deployment["spec"], "replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_all_kinds_are_among_the_examples() -> None:
    kinds = {found["kind"] for example in EXAMPLES for found in rendered(example)}
    assert kinds == {
        "ConfigMap",
        "Deployment",
        "GRPCRoute",
        "HTTPRoute",
        "HorizontalPodAutoscaler",
        "Ingress",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "PodMonitoring",
        "ScaledObject",
        "Service",
        "ServiceAccount",
        "ServiceMonitor",
    }


def test_every_pod_passes_the_restricted_standard() -> None:
    for where, template in pods():
        spec = template["spec"]
        own = spec["securityContext"]
        assert own["runAsNonRoot"] is True, where
        assert own["seccompProfile"] == {"type": "RuntimeDefault"}, where
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}, where
        allowed = {"configMap", "emptyDir", "projected", "persistentVolumeClaim"}
        assert all(volume.keys() - {"name"} <= allowed for volume in spec["volumes"]), where
        for container in (*spec["containers"], *spec.get("initContainers", [])):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, where
            assert context["capabilities"] == {"drop": ["ALL"]}, where
            assert context["readOnlyRootFilesystem"] is True, where


def test_no_pod_gets_a_token_or_is_without_limits() -> None:
    for where, template in pods():
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False, where
        for container in (*spec["containers"], *spec.get("initContainers", [])):
            assert container["resources"]["limits"].keys() >= {"cpu", "memory"}, where
            assert ":" in container["image"], where


def test_selectors_find_their_pods_and_no_version_is_in_them() -> None:
    for example, deployment in of_kind("Deployment"):
        selector = deployment["spec"]["selector"]["matchLabels"]
        assert selector.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
        assert "app.kubernetes.io/version" not in selector, example


def test_names_and_labels_are_what_kubernetes_allows() -> None:
    for example in EXAMPLES:
        seen = set()
        for found in rendered(example):
            key = (found["kind"], found["metadata"]["name"])
            assert key not in seen, example
            seen.add(key)
            assert len(found["metadata"]["name"]) <= 63
            assert all(len(value) <= 63 for value in found["metadata"]["labels"].values())


def test_a_pinned_pod_never_asks_the_bucket_for_other_versions() -> None:
    for where, template in pods():
        flags = template["spec"]["containers"][0]["args"]
        looks = [flag for flag in flags if flag.startswith("--file_system_poll_wait_seconds=")]
        assert len(looks) == 1, where
        if where.split("/")[0] not in {"hot", "latest"}:
            assert looks == ["--file_system_poll_wait_seconds=0"], where
