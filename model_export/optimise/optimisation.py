"""The course of an optimisation: check, convert, try before and after, then show.

Owns what is refused before anything runs, and that nothing stands where it was asked for before it
was tried. Loads no TensorFlow itself: each step is a process of its own.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from model_export.errors import ModelExportError, RefusedError
from model_export.export_record import EXPORT_RECORD_PATH, dump_export_record
from model_export.layout import SAVED_MODEL_NAME, TFLITE_NAME
from model_export.optimise.bundle import write_bundle
from model_export.optimise.comparison import Difference, differences, score
from model_export.optimise.objective import SAME_AS_DEFAULT, Objective
from model_export.optimise.plan import Plan, make_plan, read_class_names
from model_export.optimise.worker import in_clean_process
from model_export.reasons import unwritten
from model_export.source import list_files

LABEL: Final = "optimised"
# What TensorFlow advises for calibration at least.
_ENOUGH_ROWS: Final = 100
# What a frozen model has no more, or what says nothing of it.
_NOT_FROZEN: Final = ("variables/", "fingerprint.pb", SAVED_MODEL_NAME, TFLITE_NAME)
_FEW_VALUES: Final = 1024


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one model was measured to be, in a process of its own on this machine."""

    size_bytes: int
    load_seconds: float
    latency_p50_seconds: float
    latency_p99_seconds: float
    runs: int
    score: float | None = None


@dataclass(frozen=True, kw_only=True)
class Optimised:
    """What came of it; without `after` it was kept although it does not run here."""

    directory: Path
    objective: Objective
    signature_name: str
    rows_origin: str
    row_count: int
    score_name: str | None
    before: Figures
    after: Figures | None
    differences: tuple[Difference, ...]
    select_operations: tuple[str, ...]
    weight_bytes: Mapping[str, int]
    notes: tuple[str, ...]
    bundle: Path | None


def optimise(  # noqa: PLR0913 one parameter for each choice
    directory: Path,
    output: Path,
    *,
    objective: Objective = Objective.DEFAULT,
    signature_name: str | None = None,
    representative: Path | None = None,
    compare: Path | None = None,
    label_output_name: str | None = None,
    bundle: Path | None = None,
    class_names: Path | None = None,
    keep_unrun: bool = False,
    runs: int = 300,
    tell: Callable[[str], None] = lambda _: None,
) -> Optimised:
    """Optimise a SavedModel into a new directory, and measure both.

    `representative` and `compare` are files of rows; without `compare` the model's own sample
    serves. `bundle` is a second new directory, for a device. A result that does not run here is
    refused unless `keep_unrun`. `tell` hears of each step.
    """
    _require_free(output, bundle)
    if bundle and not objective.is_lite:
        raise RefusedError("A bundle holds a TFLite model, and 'freeze' makes none.")
    if class_names and not bundle:
        raise RefusedError("--class-names go into a bundle; give --bundle too.")
    plan = make_plan(
        directory, objective, signature_name, representative, compare, label_output_name
    )
    names = read_class_names(class_names, plan.signature) if class_names else ()
    with _writing(output), ExitStack() as stack:
        place = Path(stack.enter_context(_beside(output)), output.name)
        tell(f"Converting for '{objective}'")
        facts = _convert(plan, place)
        notes = _notes(plan, facts)
        asked = _asked(plan, runs)
        # First what is new: if it does not run, nobody waits for the rest.
        tell("Measuring what came of it")
        after: dict[str, Any] | None = None
        try:
            after = in_clean_process(
                "measure", directory=str(place), lite=objective.is_lite, **asked
            )
        except ModelExportError as error:
            if not keep_unrun:
                raise ModelExportError(_does_not_run(error, facts)) from error
            notes += (f"kept although it does not run here: {error}",)
        tell("Measuring the model as it was")
        before = in_clean_process("measure", directory=str(plan.source), lite=False, **asked)
        result = _result(plan, output, place, facts, before, after)
        if bundle:
            boxed = Path(stack.enter_context(_beside(bundle)), bundle.name)
            write_bundle(
                boxed,
                model=place / TFLITE_NAME,
                name=plan.source.name,
                objective=objective,
                signature_name=plan.signature_name,
                signature=plan.signature,
                class_names=names,
                instances=plan.compared.instances,
                predictions=after["predictions"] if after else (),
                select_operations=result.select_operations,
            )
            shutil.move(boxed, bundle)
        shutil.move(place, output)
    return replace(result, notes=notes, bundle=bundle)


def _require_free(output: Path, bundle: Path | None) -> None:
    for place in (output, bundle):
        if place and place.exists():
            raise RefusedError(f"{place} exists already; choose another directory or remove it.")
    if bundle and bundle.resolve() == output.resolve():
        raise RefusedError("--output and --bundle are the same directory; choose two.")


@contextmanager
def _writing(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelExportError(
            f"Cannot write {unwritten(error, output)}; nothing was kept."
        ) from error


def _beside(place: Path) -> "tempfile.TemporaryDirectory[str]":
    place.parent.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent)


def _convert(plan: Plan, place: Path) -> dict[str, Any]:
    """Make the new directory: a copy with the TFLite model beside, or the frozen model."""
    left_out = (TFLITE_NAME,) if plan.objective.is_lite else _NOT_FROZEN
    for file in plan.files:
        if not file.path.startswith(left_out):
            (place / file.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.location, place / file.path)
    record = place / EXPORT_RECORD_PATH
    record.parent.mkdir(parents=True, exist_ok=True)
    labels = {**plan.record.labels, LABEL: str(plan.objective)}
    record.write_bytes(dump_export_record(replace(plan.record, labels=labels)))
    if not plan.objective.is_lite:
        frozen: dict[str, Any] = in_clean_process(
            "freeze", directory=str(plan.source), output=str(place)
        )
        return frozen
    rows = plan.representative
    converted: dict[str, Any] = in_clean_process(
        "convert",
        directory=str(plan.source),
        signature_name=plan.signature_name,
        objective=str(plan.objective),
        representative=list(rows.instances) if rows else None,
        output=str(place / TFLITE_NAME),
    )
    return converted


def _asked(plan: Plan, runs: int) -> dict[str, JsonValue]:
    return {
        "signature_name": plan.signature_name,
        "instances": list(plan.compared.instances),
        "max_runs": runs,
    }


def _notes(plan: Plan, facts: Mapping[str, Any]) -> tuple[str, ...]:
    notes: list[str] = []
    graph = plan.inspection.served_graph
    others = sorted((graph.signatures.keys() if graph else set()) - {plan.signature_name})
    if plan.objective in SAME_AS_DEFAULT:
        notes.append(f"TensorFlow treats '{plan.objective}' exactly as 'default'")
    if not plan.objective.is_lite:
        notes.append(f"{facts['nodes_before']} nodes became {facts['nodes_after']}")
        return tuple(notes)
    if facts["select_operations"]:
        notes.append(
            f"needs Select TensorFlow operations: {', '.join(facts['select_operations'])}; an app "
            "must link the Flex delegate to run them"
        )
    if others:
        notes.append(
            f"{TFLITE_NAME} has the signature {plan.signature_name} alone; a server that prefers "
            f"it no longer answers {', '.join(others)}"
        )
    if facts["float_operations"]:
        notes.append(
            f"{', '.join(facts['float_operations'])} stays in float, as TensorFlow quantises it "
            "wrongly"
        )
    rows = plan.representative
    if rows and len(rows.instances) < _ENOUGH_ROWS:
        notes.append(
            f"calibrated with {len(rows.instances)} rows; give {_ENOUGH_ROWS} or more for ranges "
            "that hold"
        )
    in_float = {Objective.FLOAT16, Objective.SPARSE}
    if plan.objective not in in_float and "int8" not in facts["weight_bytes"]:
        notes.append(
            f"no weight was quantised: TensorFlow leaves those under {_FEW_VALUES:,} values as "
            "they are"
        )
    return tuple(notes)


def _does_not_run(error: ModelExportError, facts: Mapping[str, Any]) -> str:
    if names := facts.get("select_operations"):
        return (
            f"TFLite lacks {', '.join(names)}; as Select TensorFlow operations they convert, but "
            "neither TensorFlow's own interpreter here nor LiteRT's can run them, so no server "
            "could. Take them out of the model (Keras' argmax needs BitwiseAnd, tf.math.argmax "
            "does not), or keep the result for an app that links the Flex delegate: --keep-unrun."
        )
    return (
        "The result does not answer these rows, so it was not kept (--keep-unrun keeps it; "
        f"`model-export validate` tells whether the model itself answers them): {error}"
    )


def _result(
    plan: Plan,
    output: Path,
    place: Path,
    facts: Mapping[str, Any],
    before: Mapping[str, Any],
    after: Mapping[str, Any] | None,
) -> Optimised:
    names = sorted(plan.signature.outputs)
    old_size = _size(plan.source)
    new_size = (place / TFLITE_NAME).stat().st_size if plan.objective.is_lite else _size(place)
    score_name, old_score = _score(plan, before)
    return Optimised(
        directory=output,
        objective=plan.objective,
        signature_name=plan.signature_name,
        rows_origin=plan.compared.origin,
        row_count=len(plan.compared.instances),
        score_name=score_name,
        before=_figures(old_size, before, old_score),
        after=_figures(new_size, after, _score(plan, after)[1]) if after else None,
        differences=differences(before["predictions"], after["predictions"], names)
        if after
        else (),
        select_operations=tuple(facts.get("select_operations", ())),
        weight_bytes=facts.get("weight_bytes", {}),
        notes=(),
        bundle=None,
    )


def _score(plan: Plan, measured: Mapping[str, Any]) -> tuple[str | None, float | None]:
    if plan.label_output is None:
        return None, None
    return score(measured["predictions"], plan.compared.labels, plan.label_output)


def _figures(size_bytes: int, measured: Mapping[str, Any], found: float | None) -> Figures:
    figures = {key: value for key, value in measured.items() if key != "predictions"}
    return Figures(size_bytes=size_bytes, score=found, **figures)


def _size(directory: Path) -> int:
    """Add up what a server loads: the graph, its variables and assets."""
    return sum(
        file.size_bytes
        for file in list_files(directory)
        if not file.path.startswith(("assets.extra/", TFLITE_NAME))
    )
