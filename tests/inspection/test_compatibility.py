"""What changes for a client, and what breaks one."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_export.compatibility import Change, Interface, accepts, compare
from model_export.manifest import Signature, TensorSpec

_PREDICT = "tensorflow/serving/predict"
_NAMES = st.sampled_from(["a", "b", "c"])
_SHAPES = st.none() | st.lists(st.none() | st.integers(0, 3), max_size=3).map(tuple)
_SPECS = st.builds(TensorSpec, dtype=st.sampled_from(["float32", "int64", "string"]), shape=_SHAPES)
_SIGNATURES = st.builds(
    Signature,
    method_name=st.sampled_from([_PREDICT, "tensorflow/serving/classify", ""]),
    inputs=st.dictionaries(_NAMES, _SPECS, max_size=3),
    outputs=st.dictionaries(_NAMES, _SPECS, min_size=1, max_size=3),
)


@st.composite
def _interfaces(draw: st.DrawFn) -> Interface:
    signatures = draw(st.dictionaries(_NAMES, _SIGNATURES, max_size=3))
    optional = {
        name: tuple(sorted(draw(st.sets(st.sampled_from(sorted(signature.inputs))))))
        for name, signature in signatures.items()
        if signature.inputs
    }
    return _interface(signatures, optional)


def _interface(
    signatures: Mapping[str, Signature], optional: Mapping[str, tuple[str, ...]]
) -> Interface:
    """Write down an interface in one way only."""
    given = {name: inputs for name, inputs in optional.items() if inputs}
    return Interface(signatures=signatures, optional_inputs=given)


def _breaks(old: Interface, new: Interface) -> bool:
    return any(change.breaks for change in compare(old, new))


def _of(signature: Signature) -> Interface:
    return Interface(signatures={"s": signature})


def _wider(data: st.DataObject, spec: TensorSpec) -> TensorSpec:
    """Give a spec that takes all that this one takes."""
    if spec.shape is None or data.draw(st.booleans()):
        return replace(spec, shape=None)
    return replace(
        spec,
        shape=tuple(None if data.draw(st.booleans()) else dimension for dimension in spec.shape),
    )


def _widened(data: st.DataObject, interface: Interface) -> Interface:
    """Give an interface that a client of this one can only be glad of."""
    signatures: dict[str, Signature] = {}
    for name, signature in interface.signatures.items():
        outputs = dict(signature.outputs)
        if len(outputs) > 1 and data.draw(st.booleans()):
            outputs["more"] = data.draw(_SPECS)
        signatures[name] = replace(
            signature,
            inputs={key: _wider(data, spec) for key, spec in signature.inputs.items()},
            outputs=outputs,
        )
    if data.draw(st.booleans()):
        signatures["more"] = data.draw(_SIGNATURES)
    optional = {
        name: tuple(sorted(signature.inputs))
        if data.draw(st.booleans())
        else interface.optional_inputs.get(name, ())
        for name, signature in interface.signatures.items()
    }
    return _interface(signatures, optional)


@given(interface=_interfaces())
def test_equal_interfaces_do_not_differ(interface: Interface) -> None:
    assert compare(interface, interface) == ()


@given(old=_interfaces(), data=st.data())
def test_interfaces_that_do_not_differ_are_equal(old: Interface, data: st.DataObject) -> None:
    new = data.draw(_interfaces() | st.just(_widened(data, old)))
    assert (compare(old, new) == ()) == (old == new)


@given(old=_interfaces(), data=st.data())
def test_widening_breaks_nobody(old: Interface, data: st.DataObject) -> None:
    assert not _breaks(old, _widened(data, old))


@given(old=_interfaces(), data=st.data())
def test_what_widening_changed_breaks_on_the_way_back(old: Interface, data: st.DataObject) -> None:
    new = _widened(data, old)
    assert {change.name for change in compare(old, new)} == {
        change.name for change in compare(new, old) if change.breaks
    }


@given(old=_interfaces(), data=st.data())
def test_two_widenings_in_a_row_break_nobody(old: Interface, data: st.DataObject) -> None:
    assert not _breaks(old, _widened(data, _widened(data, old)))


@given(one=_interfaces(), other=_interfaces())
def test_every_difference_is_seen_from_both_sides(one: Interface, other: Interface) -> None:
    def seen(changes: tuple[Change, ...]) -> set[tuple[str, str, str]]:
        return {(change.signature, change.subject, change.name) for change in changes}

    assert seen(compare(one, other)) == seen(compare(other, one))


@given(one=_SHAPES, other=_SHAPES)
def test_two_shapes_that_accept_each_other_are_equal(
    one: tuple[int | None, ...] | None, other: tuple[int | None, ...] | None
) -> None:
    assert accepts(one, one)
    assert (accepts(one, other) and accepts(other, one)) == (one == other)


def _spec(dtype: str = "float32", shape: tuple[int | None, ...] | None = (None, 3)) -> TensorSpec:
    return TensorSpec(dtype=dtype, shape=shape)


_OLD = Signature(
    method_name=_PREDICT,
    inputs={"x": _spec()},
    outputs={"y": _spec(shape=(None, 2)), "z": _spec("string", (None,))},
)
_BOTH = ("REST", "gRPC")


@pytest.mark.parametrize(
    ("new", "subject", "kind", "breaks"),
    [
        (replace(_OLD, inputs={"x": _spec("float64")}), "input", "retyped", _BOTH),
        (replace(_OLD, inputs={"x": _spec(shape=(8, 3))}), "input", "narrowed", _BOTH),
        (replace(_OLD, inputs={"x": _spec(shape=(None, 4))}), "input", "narrowed", _BOTH),
        (replace(_OLD, inputs={"x": _spec(shape=(None, None, 3))}), "input", "narrowed", _BOTH),
        (replace(_OLD, inputs={"x": _spec(shape=(None, None))}), "input", "widened", ()),
        (replace(_OLD, inputs={"x": _spec(shape=None)}), "input", "widened", ()),
        (replace(_OLD, inputs={}), "input", "removed", _BOTH),
        (replace(_OLD, inputs={**_OLD.inputs, "more": _spec()}), "input", "added", _BOTH),
        (replace(_OLD, outputs={"y": _OLD.outputs["y"]}), "output", "removed", _BOTH),
        (replace(_OLD, outputs={**_OLD.outputs, "more": _spec()}), "output", "added", ()),
        (
            replace(_OLD, outputs={**_OLD.outputs, "y": _spec("int64", (None, 2))}),
            "output",
            "retyped",
            _BOTH,
        ),
        (
            replace(_OLD, outputs={**_OLD.outputs, "y": _spec(shape=(None, 5))}),
            "output",
            "reshaped",
            _BOTH,
        ),
        (
            replace(_OLD, outputs={**_OLD.outputs, "y": _spec(shape=None)}),
            "output",
            "reshaped",
            _BOTH,
        ),
        (
            replace(_OLD, outputs={**_OLD.outputs, "y": _spec(shape=(1, 2))}),
            "output",
            "narrowed",
            (),
        ),
        (replace(_OLD, method_name="tensorflow/serving/classify"), "method", "retyped", ()),
        (replace(_OLD, method_name="something/else"), "method", "retyped", _BOTH),
    ],
)
def test_each_kind_of_change_is_told_and_judged(
    new: Signature, subject: str, kind: str, breaks: tuple[str, ...]
) -> None:
    (change,) = compare(_of(_OLD), _of(new))
    assert (change.subject, change.kind, change.breaks) == (subject, kind, breaks)


def test_a_signature_that_goes_breaks_and_one_that_comes_does_not() -> None:
    (gone,) = compare(_of(_OLD), Interface(signatures={}))
    assert (gone.kind, gone.breaks) == ("removed", _BOTH)
    (came,) = compare(Interface(signatures={}), _of(_OLD))
    assert (came.kind, came.breaks) == ("added", ())


def test_a_second_output_breaks_rest_clients_only_since_the_form_of_the_answer_changes() -> None:
    alone = replace(_OLD, outputs={"y": _spec()})
    (change,) = compare(_of(alone), _of(replace(_OLD, outputs={"y": _spec(), "z": _spec()})))
    assert (change.kind, change.breaks) == ("added", ("REST",))


def test_an_only_output_that_is_replaced_is_told_as_gone_and_new() -> None:
    alone = replace(_OLD, outputs={"y": _spec()})
    renamed = replace(_OLD, outputs={"z": _spec()})
    changes = compare(_of(alone), _of(renamed))
    assert [(change.name, change.kind, change.breaks) for change in changes] == [
        ("y", "removed", _BOTH),
        ("z", "added", ()),
    ]


def test_an_input_with_a_default_may_be_added_for_grpc_and_must_not_lose_it() -> None:
    more = replace(_OLD, inputs={**_OLD.inputs, "scale": _spec()})
    optional = Interface(signatures={"s": more}, optional_inputs={"s": ("scale",)})
    (change,) = compare(_of(_OLD), optional)
    assert (change.kind, change.breaks) == ("added", ("REST",))
    (change,) = compare(optional, _of(more))
    assert (change.kind, change.breaks) == ("required", ("gRPC",))
    (change,) = compare(_of(more), optional)
    assert (change.kind, change.breaks) == ("optional", ())
