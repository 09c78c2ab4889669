"""A small student that learns from a large teacher: the loss, and a Keras model that trains by it.

Owns how much the teacher counts and at which temperature. What the student looks like, its data,
optimiser and epochs stay the caller's, in the usual `compile` and `fit`.
"""

from collections.abc import Callable
from typing import Any, Final

from model_export.errors import RefusedError

_SMALLEST: Final = 1e-7


def divergence(taught: Any, learned: Any, *, temperature: float) -> Any:
    """Tell for each row how far the student's probabilities are from the teacher's.

    Both are probabilities: the last axis adds up to 1, or there is a single one of a yes. They are
    made softer by the temperature, and the result grows by its square, so that the teacher counts
    as much at any temperature.
    """
    from keras import ops  # noqa: PLC0415 loads TensorFlow, which only a training pays for

    def softened(probabilities: Any) -> Any:
        logits = ops.log(ops.clip(_classes(probabilities), _SMALLEST, 1.0))
        return ops.log_softmax(logits / temperature, axis=-1)

    wanted, found = softened(taught), softened(learned)
    return temperature**2 * ops.sum(ops.exp(wanted) * (wanted - found), axis=-1)


def student_of(
    teacher: Callable[..., Any],
    student: Any,
    *,
    temperature: float = 3.0,
    teacher_share: float = 0.7,
) -> Any:
    """Give a Keras model that trains `student` on the labels and on what `teacher` answers.

    `teacher` is a Keras model or any function of the inputs, such as a loaded SavedModel's. Both
    give one tensor of probabilities. Compile and fit the model that you get with your own loss,
    metrics and data; afterwards `student` is trained. The teacher does not change.
    """
    import keras  # noqa: PLC0415 loads TensorFlow, which only a training pays for

    if temperature <= 0 or not 0 <= teacher_share <= 1:
        raise RefusedError("The temperature is above 0, and teacher_share from 0 to 1.")

    class Distillation(keras.Model):  # type: ignore[misc] # Keras ships no types
        """The student, whose loss is shared between the labels and the teacher."""

        def __init__(self) -> None:
            super().__init__(name=f"{student.name}_distillation")
            self.student = student

        def call(self, inputs: Any, *, training: bool = False) -> Any:
            return self.student(inputs, training=training)

        def compute_loss(
            self,
            x: Any = None,
            y: Any = None,
            y_pred: Any = None,
            sample_weight: Any = None,
            training: bool = True,  # noqa: FBT001, FBT002 Keras' own signature
        ) -> Any:
            own = super().compute_loss(x, y, y_pred, sample_weight, training)
            taught = keras.ops.stop_gradient(teacher(x))
            apart = divergence(taught, y_pred, temperature=temperature)
            if sample_weight is not None:
                apart = apart * sample_weight
            return (1 - teacher_share) * own + teacher_share * keras.ops.mean(apart)

    return Distillation()


def _classes(probabilities: Any) -> Any:
    """Write the single probability of a yes as two classes."""
    from keras import ops  # noqa: PLC0415 loads TensorFlow, which only a training pays for

    single = len(probabilities.shape) == 1 or probabilities.shape[-1] == 1
    if not single:
        return probabilities
    yes = ops.reshape(probabilities, (-1, 1))
    return ops.concatenate([1 - yes, yes], axis=-1)
