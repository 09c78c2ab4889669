"""What a model can be optimised for, and what is refused with its reason.

Pure: knows names and rules, converts nothing.
"""

from enum import StrEnum
from typing import Final

from model_export.errors import RefusedError


class Objective(StrEnum):
    """What to optimise for; all but `freeze` give a TFLite model."""

    DEFAULT = "default"
    SIZE = "size"
    LATENCY = "latency"
    FLOAT16 = "float16"
    DYNAMIC_RANGE = "dynamic-range"
    INT8 = "int8"
    SPARSE = "sparse"
    FREEZE = "freeze"

    @property
    def is_lite(self) -> bool:
        """Tell whether a TFLite model comes of it."""
        return self is not Objective.FREEZE


# TensorFlow 2.20's tf.lite.Optimize: OPTIMIZE_FOR_SIZE and OPTIMIZE_FOR_LATENCY are "Deprecated.
# Does the same as DEFAULT".
SAME_AS_DEFAULT: Final = frozenset({Objective.SIZE, Objective.LATENCY})
# They quantise activations, whose ranges only data can tell.
CALIBRATED: Final = SAME_AS_DEFAULT | {Objective.DEFAULT, Objective.INT8}

# Tried with tensorflow-model-optimization 0.8.1, Keras 3.15 and TensorFlow 2.20 (2026-11).
_KERAS_2_ONLY: Final = (
    "tensorflow-model-optimization, which clusters weights, wraps the layers of Keras 2 models "
    "(tf_keras) and trains them on; it does not know Keras 3, and a SavedModel has no layers. "
    "Train, cluster and strip the model in tf_keras, export that and optimise it here "
    "(docs/optimise.md shows it); or take dynamic-range, int8, a pruned model or a distilled "
    "student."
)
_REFUSED: Final = {
    "prune": (
        "a SavedModel has no layers to train on, and weights that are cut without training cost "
        "accuracy. Prune while you train, with model_export.pruning (docs/optimise.md shows it), "
        "export that, and take objective 'sparse'."
    ),
    "cluster": _KERAS_2_ONLY,
    "tensorrt": (
        "TF-TRT left TensorFlow after 2.17, and its engines fit only the kind of GPU they are "
        "built on. Convert in a job on a GPU pool of that kind, with a pinned image whose "
        "TensorFlow still has TF-TRT; then publish what it writes. Here, freeze helps a GPU too."
    ),
}
_ALSO_CALLED: Final = {"pruning": "prune", "clustering": "cluster", "trt": "tensorrt"}


def parse_objective(text: str) -> Objective:
    """Read an objective's name."""
    name = _ALSO_CALLED.get(text, text)
    if name in _REFUSED:
        raise RefusedError(f"Objective '{text}' is not done here: {_REFUSED[name]}")
    try:
        return Objective(name)
    except ValueError:
        raise RefusedError(
            f"There is no objective '{text}'; it is one of {', '.join(Objective)}."
        ) from None
