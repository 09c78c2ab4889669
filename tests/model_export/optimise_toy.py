"""A network that is small, and large enough for its weights to be worth quantising."""

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import JsonValue

_RANDOM = np.random.default_rng(1)
ROWS: list[JsonValue] = [
    {"x": _RANDOM.normal(size=32).round(3).tolist(), "word": word}
    for word in ("red", "green", "none of them") * 40
]
CLASS_COUNT = 8


def save_toy(directory: Path) -> Path:
    """Save a network over numbers and a word, which a table in the graph looks up."""
    import tensorflow as tf  # noqa: PLC0415 seconds, paid only by who saves

    random = tf.random.Generator.from_seed(1)
    module = tf.Module()
    module.wide = tf.Variable(random.normal((32, 128)))
    module.narrow = tf.Variable(random.normal((131, CLASS_COUNT)) / 8)
    words = tf.lookup.KeyValueTensorInitializer(["red", "green"], tf.constant([1, 2], tf.int64))
    module.words = tf.lookup.StaticHashTable(words, 0)

    def serve(x: Any, word: Any) -> dict[str, Any]:
        colour = tf.one_hot(module.words.lookup(word), 3)
        hidden = tf.concat([tf.nn.relu(x @ module.wide), colour], axis=1)
        scores = tf.nn.softmax(hidden @ module.narrow)
        return {"scores": scores, "best": tf.math.argmax(scores, axis=1)}

    specs = [tf.TensorSpec([None, 32], tf.float32, "x"), tf.TensorSpec([None], tf.string, "word")]
    module.serve = tf.function(serve, specs)
    module.double = tf.function(lambda x: {"twice": x + x}, [specs[0]])
    signatures = {"serving_default": module.serve, "double": module.double}
    tf.saved_model.save(module, directory, signatures)
    return directory
