"""Tiny SavedModels, made without training, that show by their answers what the server did."""

from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog


class _Versioned(tf.Module):  # type: ignore[misc]
    """Answers with its own version, so that a test sees who answered."""

    def __init__(self, version: int, ballast_mb: int) -> None:
        super().__init__()
        self.version = tf.Variable(float(version))
        self.ballast = tf.Variable(tf.zeros([ballast_mb * 2**18]))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])  # type: ignore[untyped-decorator]
    def __call__(self, x: Any) -> Any:
        return {"version": tf.zeros_like(x) + self.version, "x": x}


class _Observer(tf.Module):  # type: ignore[misc]
    """Tells each row how many rows reached the model with it; refuses a negative number."""

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="x")])  # type: ignore[untyped-decorator]
    def __call__(self, x: Any) -> Any:
        with tf.control_dependencies([tf.debugging.assert_non_negative(x)]):
            rows = tf.shape(x)[0]
        # A little work, so that requests come together while a batch runs.
        weight = tf.while_loop(
            lambda i, _: i < 2_000, lambda i, w: (i + 1, w + 1.0), (0, tf.constant(0.0))
        )[1]
        return {"rows": tf.fill([rows], rows), "sum": tf.reduce_sum(x, 1) + weight * 0.0}


class _Words(tf.Module):  # type: ignore[misc]
    """Strings through a table that lies in an asset."""

    def __init__(self, vocabulary: Path) -> None:
        super().__init__()
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                str(vocabulary),
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            default_value=-1,
        )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")])  # type: ignore[untyped-decorator]
    def __call__(self, words: Any) -> Any:
        return {"index": self.table.lookup(words), "shout": tf.strings.upper(words)}


class _Slow(tf.Module):  # type: ignore[misc]
    """Counts as far as it is told."""

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, name="steps")])  # type: ignore[untyped-decorator]
    def __call__(self, steps: Any) -> Any:
        return {"steps": tf.while_loop(lambda i: i < steps, lambda i: (i + 1,), (0,))[0]}


def save(module: Any, path: Path) -> Path:
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.__call__})
    return path


def save_versioned(base: Path, version: int, *, ballast_mb: int = 0) -> Path:
    """Write it beside and rename, so that no server sees half of it."""
    base.mkdir(parents=True, exist_ok=True)
    save(_Versioned(version, ballast_mb), base / f"writing-{version}")
    return (base / f"writing-{version}").rename(base / str(version))


def save_observer(base: Path) -> None:
    save(_Observer(), base / "1")


def save_words(base: Path) -> None:
    base.mkdir(parents=True)
    vocabulary = base / "vocabulary.txt"
    vocabulary.write_text("alpha\nbeta\ngamma\n")
    save(_Words(vocabulary), base / "1")
    # The version's own copy is the asset that counts.
    vocabulary.unlink()


def save_slow(base: Path) -> None:
    save(_Slow(), base / "1")


def save_tflite(base: Path) -> None:
    """Write a version that answers differently by TFLite, so that a test sees which one ran."""
    path = save_versioned(base, 1)
    module = _Versioned(1001, 0)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.__call__.get_concrete_function()], module
    )
    (path / "model.tflite").write_bytes(converter.convert())


def save_tf1(base: Path) -> None:
    """Write what TensorFlow 1 wrote: variables in a session, signatures of three methods."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        half = v1.get_variable("a", initializer=0.5, use_resource=False)
        two = v1.get_variable("b", initializer=2.0, use_resource=False)
        texts = v1.placeholder(tf.string, [None], name="tf_example")
        parsed = tf.io.parse_example(texts, {"x": tf.io.FixedLenFeature([1], tf.float32)})
        x = v1.placeholder_with_default(parsed["x"], [None, 1], name="x")
        y = half * x + two
        labels = tf.tile(tf.constant([["y"]]), [tf.shape(y)[0], 1])
        session.run(v1.global_variables_initializer())
        info = v1.saved_model.build_tensor_info
        build = v1.saved_model.build_signature_def
        builder = v1.saved_model.Builder(str(base / "1"))
        examples = {"inputs": info(texts)}
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            signature_def_map={
                "serving_default": build(
                    {"x": info(x)}, {"y": info(y)}, "tensorflow/serving/predict"
                ),
                "regress": build(examples, {"outputs": info(y)}, "tensorflow/serving/regress"),
                "classify": build(
                    examples,
                    {"classes": info(labels), "scores": info(y)},
                    "tensorflow/serving/classify",
                ),
            },
        )
        builder.save()


def add_warmup(version: Path, model: str, inputs: dict[str, Any], *, count: int = 1) -> None:
    extra = version / "assets.extra"
    extra.mkdir()
    log = PredictionLog()
    log.predict_log.request.model_spec.name = model
    for alias, value in inputs.items():
        log.predict_log.request.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
    with tf.io.TFRecordWriter(str(extra / "tf_serving_warmup_requests")) as writer:
        for _ in range(count):
            writer.write(log.SerializeToString())
