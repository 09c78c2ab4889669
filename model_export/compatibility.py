"""What changes for a client between two versions of a model, and what of it breaks one.

Pure: compares signatures, knows neither files nor stores. The rules are TF Serving's: which
requests it takes, and in which form it answers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from model_export.manifest import Signature, TensorSpec

Protocol = Literal["REST", "gRPC"]
_ALL: Final[tuple[Protocol, ...]] = ("REST", "gRPC")
_REST: Final[tuple[Protocol, ...]] = ("REST",)
_PREDICT: Final = "tensorflow/serving/predict"
# A signature made for one of these can be asked by :predict too; the other way round it cannot.
_EXAMPLES: Final = frozenset({"tensorflow/serving/classify", "tensorflow/serving/regress"})


@dataclass(frozen=True, kw_only=True)
class Interface:
    """A model as its clients see it; `optional_inputs` are those that they may leave out."""

    signatures: Mapping[str, Signature]
    optional_inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference; `breaks` names the protocols whose clients it can break."""

    signature: str
    subject: Literal["signature", "method", "input", "output"]
    name: str
    kind: Literal[
        "added", "removed", "retyped", "narrowed", "widened", "reshaped", "optional", "required"
    ]
    text: str
    breaks: tuple[Protocol, ...] = ()


def compare(old: Interface, new: Interface) -> tuple[Change, ...]:
    """List what changed, sorted by signature; nothing for equal interfaces."""
    return tuple(
        change
        for name in sorted(old.signatures.keys() | new.signatures.keys())
        for change in _signature(name, old, new)
    )


def accepts(shape: tuple[int | None, ...] | None, other: tuple[int | None, ...] | None) -> bool:
    """Tell whether every tensor of the other shape is one of this shape too."""
    if shape is None:
        return True
    return (
        other is not None
        and len(shape) == len(other)
        and all(size in (None, given) for size, given in zip(shape, other, strict=True))
    )


def shape_text(spec: TensorSpec) -> str:
    """Write a shape as TensorFlow's tools do, `?` for what is not fixed."""
    if spec.shape is None:
        return "any shape"
    return f"[{', '.join('?' if size is None else str(size) for size in spec.shape)}]"


def _signature(name: str, old: Interface, new: Interface) -> Iterator[Change]:
    before, after = old.signatures.get(name), new.signatures.get(name)
    if before is None or after is None:
        removed = after is None
        yield Change(
            signature=name,
            subject="signature",
            name=name,
            kind="removed" if removed else "added",
            text="the signature is gone" if removed else "the signature is new",
            breaks=_ALL if removed else (),
        )
        return
    if before.method_name != after.method_name:
        predict_stays = before.method_name == _PREDICT and after.method_name in _EXAMPLES
        yield Change(
            signature=name,
            subject="method",
            name=name,
            kind="retyped",
            text=f"the method was '{before.method_name}' and is '{after.method_name}'",
            breaks=() if predict_stays else _ALL,
        )
    optional_before = frozenset(old.optional_inputs.get(name, ()))
    optional_after = frozenset(new.optional_inputs.get(name, ()))
    for key in sorted(before.inputs.keys() | after.inputs.keys()):
        yield from _input(
            name,
            key,
            (before.inputs.get(key), key in optional_before),
            (after.inputs.get(key), key in optional_after),
        )
    for key in sorted(before.outputs.keys() | after.outputs.keys()):
        yield from _output(name, key, before, after)


def _input(
    signature: str,
    name: str,
    before: tuple[TensorSpec | None, bool],
    after: tuple[TensorSpec | None, bool],
) -> Iterator[Change]:
    (old, was_optional), (new, is_optional) = before, after

    def change(
        kind: Literal["added", "removed", "narrowed", "widened", "retyped", "optional", "required"],
        text: str,
        breaks: tuple[Protocol, ...],
    ) -> Change:
        return Change(
            signature=signature, subject="input", name=name, kind=kind, text=text, breaks=breaks
        )

    if new is None:
        # A server refuses a request with an input that it does not know.
        yield change("removed", "it is no longer taken, and requests with it are refused", _ALL)
    elif old is None:
        # Only gRPC requests may leave an input out.
        yield change(
            "added",
            f"a new{' optional' if is_optional else ''} input, {new.dtype}{shape_text(new)}",
            _REST if is_optional else _ALL,
        )
    else:
        if old.dtype != new.dtype:
            yield change("retyped", f"was {old.dtype} and is {new.dtype}", _ALL)
        if old.shape != new.shape:
            wider = accepts(new.shape, old.shape)
            yield change(
                "widened" if wider else "narrowed",
                f"took {shape_text(old)} and takes {shape_text(new)}",
                () if wider else _ALL,
            )
        if was_optional and not is_optional:
            yield change("required", "could be left out and must be given", ("gRPC",))
        if is_optional and not was_optional:
            yield change("optional", "may be left out now", ())


def _output(signature: str, name: str, before: Signature, after: Signature) -> Iterator[Change]:
    def change(
        kind: Literal["added", "removed", "narrowed", "retyped", "reshaped"],
        text: str,
        breaks: tuple[Protocol, ...],
    ) -> Change:
        return Change(
            signature=signature, subject="output", name=name, kind=kind, text=text, breaks=breaks
        )

    old, new = before.outputs.get(name), after.outputs.get(name)
    if new is None:
        yield change("removed", "it is no longer answered", _ALL)
    elif old is None:
        if len(before.outputs) == 1 < len(after.outputs):
            # REST gives the bare values of an only output, and an object where there are several.
            yield change(
                "added", "no longer alone: REST answers objects instead of bare values", _REST
            )
        else:
            yield change("added", f"a new output, {new.dtype}{shape_text(new)}", ())
    else:
        if old.dtype != new.dtype:
            yield change("retyped", f"was {old.dtype} and is {new.dtype}", _ALL)
        if old.shape != new.shape:
            within = accepts(old.shape, new.shape)
            yield change(
                "narrowed" if within else "reshaped",
                f"answered {shape_text(old)} and answers {shape_text(new)}",
                () if within else _ALL,
            )
