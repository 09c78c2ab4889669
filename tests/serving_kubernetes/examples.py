"""Models as a platform would hand them to the component."""

from datetime import UTC, datetime
from typing import Any

from infra.serving.settings import ServingSettings
from infra.serving.tf_serving.args import CanaryArgs, ClusterAccess, KubernetesModelArgs
from infra.serving.tf_serving.sources import MountedClaim
from model_export.manifest import FileEntry, Manifest

MIB = 1024**2


def published(version: int, *, size_mib: int = 100, model: str = "heart") -> Manifest:
    return Manifest(
        model=model,
        version=version,
        files=(
            FileEntry(path="saved_model.pb", size_bytes=MIB, sha256="a" * 64),
            FileEntry(
                path="variables/variables.data-00000-of-00001",
                size_bytes=(size_mib - 1) * MIB,
                sha256=f"{version:064x}",
            ),
        ),
        signatures={},
        tensorflow_version="2.20.0",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        created_by="test",
    )


def canary(version: int = 3, share: int = 10) -> CanaryArgs:
    return CanaryArgs(published=published(version), share=share)


def model_args(**changed: Any) -> KubernetesModelArgs:
    """Give heart's version 2 in one pod, and whatever is changed of that."""
    given: dict[str, Any] = {
        "stack": "test",
        "namespace": "models",
        "settings": ServingSettings(
            model="heart", base_path="", versions=(2,), rest_port=0, grpc_port=0
        ),
        "stable": published(2),
        "source": MountedClaim(claim="models"),
        "image": "tensorflow/serving:2.19.1",
        "access": ClusterAccess(context="kind-kind"),
    }
    return KubernetesModelArgs(**given | changed)
