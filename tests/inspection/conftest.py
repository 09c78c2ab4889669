"""SavedModels of many kinds, each written once by TensorFlow itself."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from model_export import wire

Edit = Callable[[Any], None]


@pytest.fixture(scope="session")
def tf() -> Any:
    """Give TensorFlow, which takes seconds to load."""
    import tensorflow as tf  # noqa: PLC0415 paid only by the tests that ask for it

    return tf


@pytest.fixture(scope="session")
def rich(tf: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two signatures, one with an optional input; a table, an asset, variables of three types."""
    directory = tmp_path_factory.mktemp("rich")
    words = directory / "words.txt"
    words.write_text("red\ngreen\n")
    two = tf.constant(2.0)

    class Rich(tf.Module):  # type: ignore[misc] # TensorFlow has no types
        def __init__(self) -> None:
            super().__init__()
            self.weights = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], name="weights")
            self.steps = tf.Variable(7, dtype=tf.int64)
            self.title = tf.Variable("a title")
            self.words = tf.lookup.StaticHashTable(
                tf.lookup.TextFileInitializer(
                    str(words),
                    tf.string,
                    tf.lookup.TextFileIndex.WHOLE_LINE,
                    tf.int64,
                    tf.lookup.TextFileIndex.LINE_NUMBER,
                ),
                -1,
            )

        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[
                tf.TensorSpec([None, 3], tf.float32, name="x"),
                tf.TensorSpec([], tf.float32, name="scale"),
            ]
        )
        def score(self, x: Any, scale: Any = two) -> Any:
            return {"y": scale * tf.matmul(x, self.weights)}

        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[tf.TensorSpec([None], tf.string, name="word")]
        )
        def find(self, word: Any) -> Any:
            return {"place": self.words.lookup(word), "length": tf.strings.length(word)}

    module = Rich()
    target = directory / "1"
    tf.saved_model.save(
        module, str(target), signatures={"serving_default": module.score, "find": module.find}
    )
    return target


@pytest.fixture(scope="session")
def tensorflow1(tf: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a model in TensorFlow 1's way, with a graph for serving and one for training."""
    v1 = tf.compat.v1
    target = tmp_path_factory.mktemp("tensorflow1") / "1"
    builder = v1.saved_model.Builder(str(target))
    with v1.Session(graph=tf.Graph()) as session:
        x = v1.placeholder(tf.float32, [None, 4], name="x")
        weight = v1.get_variable("weight", [4, 2], use_resource=False)
        y = tf.matmul(x, weight)
        session.run(v1.global_variables_initializer())
        signature = v1.saved_model.predict_signature_def({"x": x}, {"y": y})
        builder.add_meta_graph_and_variables(
            session, ["serve"], signature_def_map={"serving_default": signature}
        )
        builder.add_meta_graph(["train"])
    builder.save()
    return target


def _saved(tf: Any, target: Path, function: Callable[[Any], Any]) -> Path:
    module = tf.Module()
    module.serve = tf.function(
        lambda x: {"y": function(x)}, input_signature=[tf.TensorSpec([None], tf.float32, name="x")]
    )
    tf.saved_model.save(module, str(target), signatures={"serving_default": module.serve})
    return target


@pytest.fixture(scope="session")
def double(tf: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a model without variables that doubles a number."""
    return _saved(tf, tmp_path_factory.mktemp("double") / "model", lambda x: x + x)


@pytest.fixture(scope="session")
def aborting(tf: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a model that takes its process down when it runs."""

    def abort(x: Any) -> Any:
        with tf.control_dependencies([tf.raw_ops.Abort(error_msg="the model's own fault")]):
            return tf.identity(x)

    return _saved(tf, tmp_path_factory.mktemp("aborting") / "model", abort)


@pytest.fixture(scope="session")
def endless(tf: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a model that never answers."""

    def loop(x: Any) -> Any:
        return tf.while_loop(lambda _: True, lambda y: [y + 1], [x])[0]

    return _saved(tf, tmp_path_factory.mktemp("endless") / "model", loop)


@pytest.fixture(scope="session")
def python_calling(tf: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a model that calls a function of this very process."""

    def call(x: Any) -> Any:
        return tf.numpy_function(lambda y: y, [x], tf.float32)

    return _saved(tf, tmp_path_factory.mktemp("python") / "model", call)


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[Path, Edit], Path]:
    """Give a function that copies a model and changes its graph."""

    def edit(source: Path, change: Edit) -> Path:

        target = tmp_path / "edited"
        copytree(source, target)
        document = wire.message("SavedModel").FromString((source / "saved_model.pb").read_bytes())
        change(document)
        (target / "saved_model.pb").write_bytes(document.SerializeToString())
        return target

    return edit
