"""A device's bundle: the TFLite model, what it is, what its classes are called, and a client.

Owns the bundle's layout. Nothing in it needs this package or TensorFlow.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from model_export.layout import TFLITE_NAME
from model_export.manifest import Signature
from model_export.optimise.objective import Objective

METADATA_NAME: Final = "metadata.json"
LABELS_NAME: Final = "labels.txt"
CLIENT_NAME: Final = "predict.py"
REQUIREMENTS_NAME: Final = "requirements.txt"
# The client as it is copied; it stands here to be checked as all code is.
_CLIENT: Final = Path(__file__).with_name("device_client.py")
# Tried with 2.3.0.
_REQUIREMENTS: Final = "ai-edge-litert>=2.1,<3\nnumpy>=2\n"
_SAMPLE_COUNT: Final = 3


def write_bundle(  # noqa: PLR0913 all that a device cannot ask for later
    directory: Path,
    *,
    model: Path,
    name: str,
    objective: Objective,
    signature_name: str,
    signature: Signature,
    class_names: Sequence[str],
    instances: Sequence[JsonValue],
    predictions: Sequence[JsonValue],
    select_operations: Sequence[str],
) -> None:
    """Write the bundle into a new directory."""
    directory.mkdir(parents=True)
    shutil.copyfile(model, directory / TFLITE_NAME)
    metadata = {
        "schema": 1,
        "name": name,
        "objective": str(objective),
        "sha256": sha256(model.read_bytes()).hexdigest(),
        "signature_name": signature_name,
        "inputs": {key: asdict(spec) for key, spec in signature.inputs.items()},
        "outputs": {key: asdict(spec) for key, spec in signature.outputs.items()},
        "select_operations": list(select_operations),
        "labels": LABELS_NAME if class_names else None,
        # What the model itself answered, so that a device can show that it answers the same.
        "sample": {
            "instances": list(instances[:_SAMPLE_COUNT]),
            "predictions": list(predictions[:_SAMPLE_COUNT]),
        },
    }
    (directory / METADATA_NAME).write_text(json.dumps(metadata, indent=2) + "\n")
    if class_names:
        (directory / LABELS_NAME).write_text("".join(f"{label}\n" for label in class_names))
    (directory / REQUIREMENTS_NAME).write_text(_REQUIREMENTS)
    shutil.copyfile(_CLIENT, directory / CLIENT_NAME)
