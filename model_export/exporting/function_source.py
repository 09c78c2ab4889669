"""tf.function, concrete functions, tf.Module and plain Python functions."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from model_export.errors import RefusedError
from model_export.exporting.callee import Callee, bind, key_of, leaves
from model_export.manifest import TensorSpec


def function_callee(function: Any, *, owner: Any = None) -> Callee:
    """Take any callable; one that TensorFlow has traced, or has a signature for, knows its inputs.

    `owner` is the object that holds its variables, where that is known.
    """
    title = getattr(function, "__name__", None) or type(function).__name__
    title = f"function '{title}'"
    kept = (owner,) if owner is not None else _surroundings(function)
    concrete = _traced(function, title)
    if concrete is None:
        return Callee(
            title=title, call=lambda tensors: bind(function, tensors), inputs=None, kept=kept
        )
    structure = concrete.structured_input_signature
    inputs: dict[str, TensorSpec] = {}
    for path, spec in leaves(structure):
        name = key_of(path) or _argument(concrete, path) or spec.name
        if name in inputs:
            raise RefusedError(f"{title} takes two tensors named '{name}'; name each on its own.")
        inputs[name] = spec_of(spec)

    def call(tensors: Mapping[str, Any]) -> Any:
        arguments, keywords = _packed(structure, iter([tensors[name] for name in inputs]))
        return function(*arguments, **keywords)

    return Callee(title=title, call=call, inputs=inputs, kept=(*kept, function))


def module_callee(module: Any, attribute: str | None) -> Callee:
    """Take a method of a tf.Module; `__call__` unless another is named."""
    name = attribute or "__call__"
    function = getattr(module, name, None)
    title = type(module).__name__
    if not callable(function):
        raise RefusedError(
            f"{title} has no method '{name}'. Name the one to serve, as in "
            "--signature serving_default=predict."
        )
    return function_callee(function, owner=module)


def spec_of(spec: Any) -> TensorSpec:
    """Describe what TensorFlow describes."""
    dims = None if spec.shape.rank is None else tuple(spec.shape.as_list())
    return TensorSpec(dtype=spec.dtype.name, shape=dims)


def _traced(function: Any, title: str) -> Any:
    """Give the one concrete function; None where there is no signature yet."""
    if hasattr(function, "structured_input_signature"):
        return function
    if getattr(function, "input_signature", None) is not None:
        return function.get_concrete_function()
    listed = getattr(function, "_list_all_concrete_functions", None)
    traces = listed() if listed else []
    if len(traces) > 1:
        raise RefusedError(
            f"{title} was traced for {len(traces)} kinds of inputs; give the one to serve: "
            "function.get_concrete_function(...), or @tf.function(input_signature=[...])."
        )
    # A single trace tells the shapes that happened to come first; only a signature is meant.
    return None


def _argument(concrete: Any, path: tuple[Any, ...]) -> str | None:
    """Name a positional argument as the function does."""
    names = list(concrete.function_type.parameters)
    position = path[1] if len(path) > 1 else None
    # The whole is a pair: positional arguments, then keywords.
    if path[0] == 0 and isinstance(position, int) and position < len(names):
        return str(names[position]) if len(path) == 2 else None  # noqa: PLR2004 the pair, the place
    return None


def _packed(structure: Any, tensors: Any) -> Any:
    """Fill a structure with tensors, in the order of `leaves`."""
    if isinstance(structure, Mapping):
        filled = {key: _packed(structure[key], tensors) for key in sorted(structure)}
        return {key: filled[key] for key in structure}
    if isinstance(structure, (list, tuple)):
        return tuple(_packed(part, tensors) for part in structure)
    return next(tensors)


def _surroundings(function: Callable[..., Any]) -> tuple[Any, ...]:
    """Find the objects that a function may take variables and tables from."""
    bound = getattr(function, "__self__", None)
    python = getattr(function, "python_function", function)
    try:
        names = inspect.getclosurevars(inspect.unwrap(python))
    except (TypeError, ValueError):
        return (function,) if bound is None else (bound, function)
    around = {**names.globals, **names.nonlocals}.values()
    return tuple(thing for thing in (bound, function, *around) if thing is not None)
