"""Examples for the fields that only a model on Vertex AI has."""

from collections.abc import Mapping
from typing import Any

_GPU = {
    "gpu": {"type": "nvidia-l4"},
    "autoscaling": {"min_replicas": 1, "max_replicas": 2},
}
_PRIVATE = {"vertex": {"endpoint": "private-service-connect"}}

# A value for each field, and what else the model needs beside it.
VERTEX_EXAMPLES: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "gcp.vertex_host": ("aiplatform.example.internal", {}),
    "models.*.vertex.machine_type": ("n1-standard-4", {}),
    "models.*.vertex.spot": (True, {}),
    "models.*.vertex.container": ("tensorflow-serving", {}),
    "models.*.vertex.image": ("europe-docker.pkg.dev/example-ml/images/tf-serving:2.19.1", {}),
    "models.*.vertex.endpoint": ("dedicated", {}),
    "models.*.vertex.allowed_projects": (["example-apps"], _PRIVATE),
    "models.*.vertex.endpoint_id": ("123456789", {}),
    "models.*.vertex.model_id": ("heart", {}),
    "models.*.vertex.adopt": (True, {}),
    "models.*.vertex.keep_versions": ([3], {}),
    "models.*.vertex.service_account": ("server@example-ml.iam.gserviceaccount.com", {}),
    "models.*.vertex.access_logging": (True, {}),
    "models.*.vertex.container_logging": (False, {}),
    "models.*.vertex.target_gpu_percent": (80, _GPU),
    "models.*.vertex.scale_to_zero_seconds": (1800, {}),
    "models.*.vertex.drain_seconds": (120, {}),
    "models.*.vertex.kms_key": (
        "projects/example-ml/locations/europe-west4/keyRings/models/cryptoKeys/vertex",
        {},
    ),
}
