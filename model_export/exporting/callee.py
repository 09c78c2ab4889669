"""A model, or what goes before or after it, as something that takes tensors by name.

Owns how names and tensors meet: what a callable is given, how its answer is named, and how one
callable feeds the next. Knows no kind of source.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from model_export import wire
from model_export.errors import RefusedError
from model_export.manifest import TensorSpec

# What TensorFlow keeps of a name; others it changes in silence.
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# What Keras calls an input that nobody named, with a number that counts on.
UNNAMED: Final = "keras_tensor"
# What Keras passes on its own account.
_KERAS_ARGUMENTS: Final = {"training", "mask"}


@dataclass(frozen=True, kw_only=True)
class Callee:
    """Something to call.

    `inputs` are None where only the call itself will tell what it takes. `output_names` name what
    is answered without names. `kept` are the objects in which variables and tables live.
    """

    title: str
    call: Callable[[Mapping[str, Any]], Any]
    inputs: Mapping[str, TensorSpec] | None
    output_names: tuple[str, ...] = ()
    kept: tuple[Any, ...] = ()

    def answer(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """Call it and name what it answers."""
        return named(self.call(tensors), self.output_names, self.title)


def bind(function: Callable[..., Any], tensors: Mapping[str, Any]) -> Any:
    """Call a function that says nothing of its inputs.

    By keywords where its parameters have these names; a single tensor bare; several as a
    dictionary.
    """
    if set(tensors) <= set(_parameters(function)):
        return function(**tensors)
    if len(tensors) == 1:
        return function(next(iter(tensors.values())))
    return function(dict(tensors))


def named(answer: Any, names: Sequence[str], title: str) -> dict[str, Any]:
    """Name tensors by the keys of their dictionary, else as told, else as TensorFlow does."""
    found: dict[str, Any] = {}
    for index, (path, tensor) in enumerate(leaves(answer)):
        own = names[index] if index < len(names) else f"output_{index}"
        name = key_of(path) or own
        if name in found:
            raise RefusedError(
                f"{title} answers two outputs '{name}'; answer one dictionary with a name for each."
            )
        found[name] = tensor
    return found


def chained(first: Callee, second: Callee) -> Callee:
    """Feed what one answers to the next."""

    def call(tensors: Mapping[str, Any]) -> Any:
        answer = first.call(tensors)
        if second.inputs is None:
            return second.call(named(answer, first.output_names, first.title))
        return second.call(_fitted(answer, second, first.title))

    return replace(
        second,
        call=call,
        inputs=first.inputs,
        kept=(*first.kept, *second.kept),
    )


def renamed(callee: Callee, outputs: Mapping[str, str]) -> Callee:
    """Answer only these outputs, under these names: new name to own name."""

    def call(tensors: Mapping[str, Any]) -> Any:
        answer = callee.answer(tensors)
        for own in outputs.values():
            if own not in answer:
                raise RefusedError(
                    f"{callee.title} has no output '{own}' (it has: {', '.join(answer)})."
                )
        return {name: answer[own] for name, own in outputs.items()}

    return replace(callee, call=call)


def chosen_inputs(
    own: Mapping[str, TensorSpec], given: Mapping[str, TensorSpec | None] | None, title: str
) -> dict[str, str]:
    """Match the names that a user gives to a model's own: by name, else in order."""
    if given is None or set(given) == set(own):
        return {name: name for name in own}
    if len(given) != len(own):
        raise RefusedError(
            f"{title} takes {len(own)} inputs ({', '.join(own)}), not {len(given)} "
            f"({', '.join(given)})."
        )
    return dict(zip(given, own, strict=True))


def with_inputs(callee: Callee, given: Mapping[str, TensorSpec | None] | None) -> Callee:
    """Call the inputs by the given names and take the given dtypes and shapes."""
    if callee.inputs is None:
        missing = [name for name, spec in (given or {}).items() if spec is None]
        if not given or missing:
            raise RefusedError(
                f"{callee.title} does not say what it takes; give each input's name, dtype and "
                "shape, as in --input 'age:float32' or --input 'image:uint8[28,28]'."
            )
        return replace(callee, inputs={name: spec for name, spec in given.items() if spec})
    own = callee.inputs
    names = chosen_inputs(own, given, callee.title)
    specs = {name: (given or {}).get(name) or own[names[name]] for name in names}
    for name, spec in specs.items():
        wanted = own[names[name]].dtype
        # Numbers can be converted; TensorFlow would notice the others only when it is served.
        if wanted != spec.dtype and "string" in {wanted, spec.dtype}:
            raise RefusedError(
                f"Input '{name}': {callee.title} takes {wanted} there, not {spec.dtype}. Attach "
                "what turns one into the other with --preprocess."
            )
    return replace(
        callee,
        inputs=specs,
        call=lambda tensors: callee.call({names[name]: tensors[name] for name in names}),
    )


def require_servable(inputs: Mapping[str, TensorSpec]) -> None:
    """Refuse names that TensorFlow would change, and inputs that cannot come in batches."""
    for name, spec in inputs.items():
        if name.startswith(UNNAMED):
            raise RefusedError(
                f"Input '{name}' was given no name, and clients would have to send that one; "
                "write keras.Input(..., name=…), or name all inputs in order with --input."
            )
        if _NAME.fullmatch(name) is None:
            raise RefusedError(
                f"Input '{name}': TensorFlow takes letters, digits and '_' in a name, a letter "
                "first. Name it otherwise with --input."
            )
        if spec.dtype not in wire.DTYPES.values():
            raise RefusedError(
                f"Input '{name}': '{spec.dtype}' is no dtype of TensorFlow's; write float32, "
                "int64, uint8, bool, string or another."
            )
        if spec.shape is not None and (not spec.shape or spec.shape[0] is not None):
            raise RefusedError(
                f"Input '{name}' has the shape {list(spec.shape)}: its first dimension has to be "
                "open, so that requests of any number of rows can be served. Trace the function "
                "with None there."
            )


def leaves(structure: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    """List the tensors of nested dictionaries and lists, each with its path."""
    if isinstance(structure, Mapping):
        # TensorFlow and Keras flatten dictionaries by sorted keys, too.
        parts = [(key, structure[key]) for key in sorted(structure)]
    elif isinstance(structure, (list, tuple)):
        parts = list(enumerate(structure))
    else:
        return [(path, structure)]
    return [leaf for key, part in parts for leaf in leaves(part, (*path, key))]


def key_of(path: tuple[Any, ...]) -> str | None:
    """Give the innermost key of a dictionary on the way to a tensor."""
    return next((part for part in reversed(path) if isinstance(part, str)), None)


def _fitted(answer: Any, target: Callee, title: str) -> dict[str, Any]:
    """Give a callable with known inputs what comes before it: by name, else in order."""
    wanted = list(target.inputs or ())
    if isinstance(answer, Mapping) and set(answer) == set(wanted):
        return dict(answer)
    flat = [tensor for _, tensor in leaves(answer)]
    in_order = not isinstance(answer, Mapping) or len(flat) == 1
    if len(flat) != len(wanted) or not in_order:
        found = ", ".join(answer) if isinstance(answer, Mapping) else f"{len(flat)} tensors"
        raise RefusedError(
            f"{title} answers {found}, but {target.title} takes {', '.join(wanted)}."
        )
    return dict(zip(wanted, flat, strict=True))


def _parameters(function: Callable[..., Any]) -> list[str]:
    # Keras layers say it in `call`; their `__call__` takes anything.
    target: Any = getattr(function, "python_function", None) or getattr(function, "call", function)
    try:
        found = inspect.signature(target).parameters
    except (TypeError, ValueError):
        return []
    return [name for name in found if name not in _KERAS_ARGUMENTS]
