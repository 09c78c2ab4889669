"""Each kind of source becomes a SavedModel with explicit signatures, or is refused in one line."""

import shutil
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from model_export.errors import ModelExportError, RefusedError
from model_export.export import export_model
from model_export.exporting.examples import Classify
from model_export.exporting.python_objects import named_thing
from model_export.manifest import Signature, TensorSpec
from model_export.savedmodel import parse_saved_model


def _signatures(directory: Path) -> dict[str, Signature]:
    return dict(parse_saved_model((directory / "saved_model.pb").read_bytes(), "").signatures)


def _answer(directory: Path, signature: str = "serving_default", **inputs: Any) -> Any:
    loaded = tf.saved_model.load(str(directory))
    given = {name: tf.constant(value) for name, value in inputs.items()}
    return {k: v.numpy().tolist() for k, v in loaded.signatures[signature](**given).items()}


def _ones(size: int, **options: Any) -> Any:
    return keras.layers.Dense(size, kernel_initializer="ones", **options)


class _Scaler(tf.Module):  # type: ignore[misc] # TensorFlow ships no types
    """Multiplies with a variable, looks a word up, and has another method."""

    def __init__(self, factor: float = 2.0) -> None:
        super().__init__()
        self.factor = tf.Variable(factor)
        self.unused = tf.Variable(tf.zeros([1000]))
        words = tf.lookup.KeyValueTensorInitializer(["a", "b"], [1.0, 2.0])
        self.table = tf.lookup.StaticHashTable(words, 0.0)

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec([None], tf.float32), tf.TensorSpec([None], tf.string)]
    )
    def __call__(self, x: Any, word: Any) -> Any:
        return {"y": x * self.factor + self.table.lookup(word)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])  # type: ignore[untyped-decorator]
    def negated(self, x: Any) -> Any:
        return -x

    def plain(self, x: Any) -> Any:
        return x * self.factor


def test_an_unnamed_single_input_and_output_get_names_that_never_change(tmp_path: Path) -> None:
    for run in ("first", "second"):
        model = keras.Sequential([keras.Input((2,)), _ones(1)])
        signature = export_model(model, tmp_path / run, instances=[[1.0, 2.0]])
        assert list(signature.inputs) == ["inputs"]
        assert list(signature.outputs) == ["output_0"]
    assert _answer(tmp_path / "second", inputs=[[1.0, 2.0]]) == {"output_0": [[3.0]]}


def test_inputs_and_outputs_are_named_as_asked(tmp_path: Path) -> None:
    given = [keras.Input((2,)), keras.Input((1,))]
    model = keras.Model(given, [_ones(1)(given[0]), given[1] * 2.0])
    signature = export_model(
        model, tmp_path / "m", inputs={"size": None, "age": None}, outputs={"older": "output_1"}
    )
    assert signature.inputs["size"] == TensorSpec(dtype="float32", shape=(None, 2))
    assert _answer(tmp_path / "m", size=[[1.0, 2.0]], age=[[4.0]]) == {"older": [[8.0]]}


def test_nested_inputs_are_named_by_their_keys(tmp_path: Path) -> None:
    a, b = keras.Input((1,), name="a"), keras.Input((1,), name="b")
    model = keras.Model([{"first": a}, b], {"sum": keras.layers.Add()([a, b])})
    export_model(model, tmp_path / "m")
    assert _answer(tmp_path / "m", first=[[1.0]], b=[[2.0]]) == {"sum": [[3.0]]}


class _Subclass(keras.Model):  # type: ignore[misc] # Keras ships no types
    def __init__(self) -> None:
        super().__init__(name="sub")
        self.dense = _ones(1)

    def call(self, left: Any, right: Any) -> Any:
        return self.dense(left) - right


def test_a_subclassed_model_takes_what_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"_Subclass 'sub' does not say what it takes"):
        export_model(_Subclass(), tmp_path / "m")
    one = TensorSpec(dtype="float32", shape=(None, 1))
    export_model(_Subclass(), tmp_path / "m", inputs={"left": one, "right": one})
    assert _answer(tmp_path / "m", left=[[3.0]], right=[[1.0]]) == {"output_0": [[2.0]]}


def test_the_state_of_an_optimiser_stays_behind(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,), name="x"), _ones(1)])
    model.compile("adam", "mse")
    model.fit(np.zeros((4, 2)), np.zeros((4, 1)), verbose=0)
    export_model(model, tmp_path / "m")
    written = tf.train.list_variables(str(tmp_path / "m/variables/variables"))
    assert sorted(shape for _, shape in written if shape) == [[1], [2, 1]]


def test_a_keras_file_is_exported(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,), name="x"), _ones(1, name="score")])
    model.save(tmp_path / "m.keras")
    signature = export_model(tmp_path / "m.keras", tmp_path / "m")
    assert (list(signature.inputs), list(signature.outputs)) == (["x"], ["score"])


def test_the_custom_objects_that_a_keras_file_needs_are_named(tmp_path: Path) -> None:
    @keras.saving.register_keras_serializable("mine")
    class Twice(keras.layers.Layer):  # type: ignore[misc] # Keras ships no types
        def call(self, x: Any) -> Any:
            return x * 2.0

    model = keras.Sequential([keras.Input((1,), name="x"), Twice()])
    model.save(tmp_path / "m.keras")
    export_model(tmp_path / "m.keras", tmp_path / "known")
    assert _answer(tmp_path / "known", x=[[2.0]]) == {"output_0": [[4.0]]}
    keras.saving.get_custom_objects().clear()
    with pytest.raises(RefusedError, match=r"not known here: mine>Twice\. Give the Python file"):
        export_model(tmp_path / "m.keras", tmp_path / "unknown")


def test_what_only_the_training_needed_need_not_be_known(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((1,), name="x"), _ones(1)])
    register = keras.saving.register_keras_serializable("mine")
    own_loss = register(lambda truth, answer: answer - truth)
    model.compile("adam", own_loss)
    model.save(tmp_path / "m.keras")
    keras.saving.get_custom_objects().clear()
    export_model(tmp_path / "m.keras", tmp_path / "m")


def test_a_place_that_cannot_be_written_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    model = keras.Sequential([keras.Input((1,), name="x"), _ones(1)])
    with pytest.raises(ModelExportError, match=r"Cannot write .*file: .*Nothing was exported"):
        export_model(model, tmp_path / "file/m")


@pytest.mark.parametrize(("content", "reason"), [(b"", "no Keras 3 model file"), (b"PK", "no K")])
def test_a_file_that_is_no_keras_model_is_refused(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "m.keras").write_bytes(content)
    with pytest.raises(RefusedError, match=reason):
        export_model(tmp_path / "m.keras", tmp_path / "m")


def test_code_in_a_keras_file_is_not_run(tmp_path: Path) -> None:
    layer = keras.layers.Lambda(lambda x: x * 2.0, output_shape=(1,))
    keras.Sequential([keras.Input((1,)), layer]).save(tmp_path / "m.keras")
    with pytest.raises(RefusedError, match=r"holds Python code \(a Lambda layer\)"):
        export_model(tmp_path / "m.keras", tmp_path / "m")


def test_a_module_is_exported_with_what_its_signatures_use(tmp_path: Path) -> None:
    signature = export_model(
        _Scaler(),
        tmp_path / "m",
        signatures={"negated": "negated"},
        instances=[{"x": 3.0, "word": "b"}],
    )
    assert signature.inputs == {
        "word": TensorSpec(dtype="string", shape=(None,)),
        "x": TensorSpec(dtype="float32", shape=(None,)),
    }
    assert _answer(tmp_path / "m", x=[3.0], word=["a"]) == {"y": [7.0]}
    assert _answer(tmp_path / "m", "negated", x=[3.0]) == {"output_0": [-3.0]}
    written = tf.train.list_variables(str(tmp_path / "m/variables/variables"))
    assert [1000] not in [shape for _, shape in written]


def test_files_that_a_model_needs_go_with_it(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("zero\none\ntwo\n")
    module = tf.Module()
    table = tf.lookup.TextFileInitializer(
        str(tmp_path / "words"),
        *(tf.string, tf.lookup.TextFileIndex.WHOLE_LINE),
        *(tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER),
    )
    module.table = tf.lookup.StaticHashTable(table, -1)
    module.find = module.table.lookup
    word = {"word": TensorSpec(dtype="string", shape=(None,))}
    export_model(module, tmp_path / "a", inputs=word, signatures={"serving_default": "find"})
    (tmp_path / "words").unlink()
    export_model(tmp_path / "a", tmp_path / "b", outputs={"place": "output_0"})
    (tmp_path / "a").rename(tmp_path / "elsewhere")
    assert _answer(tmp_path / "b", word=["two", "?"]) == {"place": [2, -1]}


def test_a_method_that_tensorflow_does_not_know_takes_what_it_is_told(tmp_path: Path) -> None:
    export_model(
        _Scaler(),
        tmp_path / "m",
        signatures={"serving_default": "plain"},
        inputs={"x": TensorSpec(dtype="float32", shape=(None, 2))},
    )
    assert _answer(tmp_path / "m", x=[[1.0, 2.0]]) == {"output_0": [[2.0, 4.0]]}
    with pytest.raises(RefusedError, match="_Scaler has no method 'predict'"):
        export_model(_Scaler(), tmp_path / "n", signatures={"serving_default": "predict"})


def test_a_concrete_function_keeps_the_names_of_its_arguments(tmp_path: Path) -> None:
    traced = tf.function(_Scaler(5.0).plain)
    export_model(traced.get_concrete_function(tf.TensorSpec([None])), tmp_path / "m")
    assert _answer(tmp_path / "m", x=[1.0]) == {"output_0": [5.0]}


def test_a_table_that_belongs_to_nothing_is_refused(tmp_path: Path) -> None:
    scaler = _Scaler()
    concrete = scaler.__call__.get_concrete_function()
    with pytest.raises(RefusedError, match="a variable or a table that belongs to nothing"):
        export_model(concrete, tmp_path / "m")


def test_a_function_with_a_dictionary_is_named_by_its_keys(tmp_path: Path) -> None:
    factor = tf.Variable(3.0)

    @tf.function(input_signature=[{"q": tf.TensorSpec([None])}, tf.TensorSpec([None], name="r")])  # type: ignore[untyped-decorator]
    def product(parts: Any, other: Any) -> Any:
        return {"p": parts["q"] * other * factor}

    export_model(product, tmp_path / "m", inputs={"q": None, "other": None})
    assert _answer(tmp_path / "m", q=[2.0], other=[4.0]) == {"p": [24.0]}


def test_a_fixed_batch_dimension_is_refused(tmp_path: Path) -> None:
    @tf.function(input_signature=[tf.TensorSpec([1, 2], tf.float32)])  # type: ignore[untyped-decorator]
    def fixed(x: Any) -> Any:
        return x

    with pytest.raises(RefusedError, match=r"Input 'x' has the shape \[1, 2\]: its first dim"):
        export_model(fixed, tmp_path / "m")


def test_a_name_that_tensorflow_would_change_is_refused(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,), name="chest-pain"), _ones(1)])
    with pytest.raises(RefusedError, match="Input 'chest-pain': TensorFlow takes letters"):
        export_model(model, tmp_path / "m")
    assert list(export_model(model, tmp_path / "m", inputs={"pain": None}).inputs) == ["pain"]


def test_an_error_inside_a_function_is_one_line(tmp_path: Path) -> None:
    def wrong(x: Any) -> Any:
        return tf.reshape(x, [3, 3]) @ tf.ones([2, 2])

    with pytest.raises(RefusedError) as caught:
        export_model(
            wrong, tmp_path / "m", inputs={"x": TensorSpec(dtype="float32", shape=(None,))}
        )
    text = str(caught.value)
    assert text.startswith(
        "Signature 'serving_default' (function 'wrong') cannot be traced with x:"
    )
    assert "\n" not in text
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a SavedModel with a table, a variable and two signatures."""
    directory = tmp_path_factory.mktemp("saved") / "m"
    export_model(_Scaler(), directory, signatures={"negated": "negated"})
    return directory


def test_a_saved_model_is_taken_as_it_is_where_nothing_is_asked(
    saved: Path, tmp_path: Path
) -> None:
    published = shutil.copytree(saved, tmp_path / "published")
    for name in ("manifest.json", "model.sig"):
        (published / name).write_text("of the version that it was")
    export_model(published, tmp_path / "m", instances=[{"x": 1.0, "word": "a"}])
    assert not {"manifest.json", "model.sig"} & {path.name for path in (tmp_path / "m").iterdir()}
    graph = "saved_model.pb"
    assert (tmp_path / "m" / graph).read_bytes() == (saved / graph).read_bytes()
    assert (tmp_path / "m/assets.extra/tf_serving_warmup_requests").exists()


def test_a_saved_model_is_written_anew_with_other_names(saved: Path, tmp_path: Path) -> None:
    export_model(
        saved,
        tmp_path / "m",
        inputs={"term": None, "amount": None},
        outputs={"price": "y"},
    )
    assert set(_signatures(tmp_path / "m")) == {"serving_default", "negated"}
    assert _answer(tmp_path / "m", term=["b"], amount=[1.0]) == {"price": [4.0]}
    export_model(saved, tmp_path / "n", signatures={"serving_default": "negated"})
    assert set(_signatures(tmp_path / "n")) == {"serving_default"}
    with pytest.raises(RefusedError, match=r"no signature 'no' \(it has: negated, serving"):
        export_model(saved, tmp_path / "o", signatures={"serving_default": "no"})


def test_a_model_of_tensorflow_1_is_copied_and_never_lost(tmp_path: Path) -> None:
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        two = v1.get_variable("two", initializer=2.0, use_resource=False)
        x = v1.placeholder(tf.float32, [None], name="x")
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(tmp_path / "old"), {"x": x}, {"y": x * two})
    export_model(tmp_path / "old", tmp_path / "m", instances=[2.0])
    assert _answer(tmp_path / "m", x=[2.0]) == {"y": [4.0]}
    with pytest.raises(RefusedError, match=r"variables of TensorFlow 1 \(VariableV2\)"):
        export_model(tmp_path / "old", tmp_path / "n", outputs={"z": "y"})


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path / "nowhere", "There is no"),
        (lambda path: path, "is not a SavedModel: saved_model.pb"),
        (lambda _: 5, "int cannot be exported"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path: Path, make: Any, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        export_model(make(tmp_path), tmp_path / "m")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ([1.0], r"Input 'x': the instances give \[1\] for a row; the signature takes \[2\]"),
        (1.0, r"Input 'x': the instances give a single value for a row"),
    ],
)
def test_an_instance_of_another_shape_is_told_by_its_input(
    tmp_path: Path, row: Any, said: str
) -> None:
    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(1)])
    with pytest.raises(RefusedError, match=said):
        export_model(model, tmp_path / "m", instances=[row])
    assert not list(tmp_path.iterdir())


def test_what_a_model_says_of_an_instance_is_told_and_not_that_a_graph_failed(
    tmp_path: Path,
) -> None:
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])  # type: ignore[untyped-decorator] # TensorFlow ships no types
    def positive(x: Any) -> Any:
        tf.debugging.assert_positive(x, message="x must be positive")
        return tf.sqrt(x)

    with pytest.raises(RefusedError, match=r"does not answer the instances: .*x must be positive"):
        export_model(positive, tmp_path / "m", instances=[-1.0])


def test_a_refusal_from_within_the_traced_graph_is_told_without_its_class(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(3, name="y")])
    labels = Classify(scores="y", labels=("a", "b"))
    with pytest.raises(RefusedError, match=r"^Output 'y' has 3 scores for each row, but 2 labels"):
        export_model(model, tmp_path / "m", classify=labels)


def test_a_file_that_ends_the_program_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [*sys.path])
    (tmp_path / "ends_the_program.py").write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(RefusedError, match=r"it ends the program \(exit code 3\)\. Put what only"):
        named_thing(f"{tmp_path / 'ends_the_program.py'}:model")
