"""A model that unlearns most of its weights while it trains: a callback for Keras' own `fit`.

Owns which weights become zero and when. `model-export optimise --objective sparse` makes use of the
zeros; without that they only help what compresses the model.
"""

from collections.abc import Collection
from typing import Any, Final

import numpy as np

from model_export.errors import RefusedError

# The smallest weights are looked for anew after so many batches, not after each.
_BATCHES_BETWEEN: Final = 10


def pruning(
    sparsity: float = 0.8, *, layers: Collection[str] | None = None, ramp: float = 0.6
) -> Any:
    """Give a callback after whose training that share of the weights is zero.

    The weights nearest to zero become zero, in each layer by itself: few at first, all of them
    after `ramp` of the training; the rest of it mends what that broke. Only weights with two axes
    or more are taken, since a bias saves nothing; `layers` names the layers to take, all if absent.
    Train with it from what is trained already, and with a low learning rate.
    """
    import keras  # noqa: PLC0415 loads TensorFlow, which only a training pays for

    if not 0 < sparsity < 1 or not 0 < ramp <= 1:
        raise RefusedError("The sparsity is between 0 and 1, and ramp above 0 and at most 1.")

    class Pruning(keras.callbacks.Callback):  # type: ignore[misc] # Keras ships no types
        """Keeps the smallest weights of the model at zero."""

        def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 Keras' own signature
            self._weights = _taken(self.model, layers)
            self._asked = 0
            self._epoch = 0

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 likewise
            self._epoch = epoch

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 likewise
            # Not by the batch's own number: where several are done at once, not each is told.
            if self._asked % _BATCHES_BETWEEN == 0:
                # Of a data set of unknown length only the epochs tell how far the training is.
                within = (batch + 1) / self.params["steps"] if self.params["steps"] else 0.0
                self._choose((self._epoch + within) / self.params["epochs"])
            self._asked += 1
            self._apply()

        def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002 likewise
            self._choose(1.0)
            self._apply()

        def _choose(self, trained: float) -> None:
            share = sparsity * (1 - (1 - min(trained / ramp, 1.0)) ** 3)
            self._masks = [_mask(weight, share) for weight in self._weights]

        def _apply(self) -> None:
            for weight, mask in zip(self._weights, self._masks, strict=True):
                weight.assign(weight * mask)

    return Pruning()


def _mask(weight: Any, share: float) -> Any:
    """Give 0 for that share of the values, those nearest to zero, and 1 for the others."""
    from keras import ops  # noqa: PLC0415 loads TensorFlow, which only a training pays for

    sizes = np.abs(ops.convert_to_numpy(weight)).ravel()
    mask = np.ones(sizes.size, dtype=sizes.dtype)
    count = round(share * sizes.size)
    mask[np.argpartition(sizes, count - 1)[:count]] = 0
    return ops.convert_to_tensor(mask.reshape(weight.shape))


def _taken(model: Any, layers: Collection[str] | None) -> list[Any]:
    weights = [weight for weight in model.trainable_variables if len(weight.shape) > 1]
    if layers is not None:
        names = {name for weight in weights for name in weight.path.split("/")[:-1]}
        if unknown := sorted(set(layers) - names):
            raise RefusedError(
                f"No layer with weights to prune is called {', '.join(unknown)}; there are "
                f"{', '.join(sorted(names))}."
            )
        weights = [weight for weight in weights if set(weight.path.split("/")[:-1]) & set(layers)]
    if not weights:
        raise RefusedError(f"{model.name} has no weights with two axes, so nothing to prune.")
    return weights
