"""Predict with the model in this directory, with the LiteRT interpreter alone.

pip install -r requirements.txt
python predict.py               # the sample, compared with what the model answered before
python predict.py rows.jsonl    # one instance a line: {"INPUT": VALUE, …}
"""

import base64
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-not-found,import-untyped,unused-ignore]

HERE = Path(__file__).resolve().parent
TOLERANCE = 1e-3


class Model:
    """The interpreter, and what metadata.json says of its inputs and outputs."""

    def __init__(self) -> None:
        self.metadata = json.loads((HERE / "metadata.json").read_text())
        labels = self.metadata["labels"]
        self.labels = (HERE / labels).read_text().splitlines() if labels else []
        interpreter = Interpreter(model_path=str(HERE / "model.tflite"))
        self._run = interpreter.get_signature_runner(self.metadata["signature_name"])

    def predict(self, instance: Any) -> dict[str, Any]:
        """Answer one instance: an object, or the bare value where there is one input."""
        inputs = self.metadata["inputs"]
        if not isinstance(instance, dict) or "b64" in instance:
            instance = {next(iter(inputs)): instance}
        arrays = {name: array([instance[name]], spec["dtype"]) for name, spec in inputs.items()}
        return {name: output[0] for name, output in self._run(**arrays).items()}

    def readable(self, prediction: dict[str, Any]) -> dict[str, Any]:
        """Write a prediction as JSON can hold it; scores get their class's label."""
        plain = {name: as_json(value) for name, value in prediction.items()}
        for name, value in prediction.items():
            if self.labels and np.shape(value) == (len(self.labels),):
                plain[f"{name}_label"] = self.labels[int(np.argmax(value))]
        return plain


def array(values: list[Any], dtype: str) -> Any:
    """Make an input's array; texts become bytes, {"b64": …} becomes the bytes it stands for."""
    if dtype == "string":
        return np.array([as_bytes(value) for value in values], dtype=object)
    return np.array(values, dtype=dtype)


def as_bytes(value: Any) -> Any:
    """Read a text or base64, at any depth."""
    if isinstance(value, list):
        return [as_bytes(element) for element in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()


def as_json(value: Any) -> Any:
    """Turn what the interpreter gives into plain values."""
    plain = value.tolist() if hasattr(value, "tolist") else value
    return plain.decode(errors="replace") if isinstance(plain, bytes) else plain


def check(model: Model) -> bool:
    """Answer the sample and compare."""
    sample = model.metadata["sample"]
    agreed = True
    for instance, expected in zip(sample["instances"], sample["predictions"], strict=False):
        prediction = model.readable(model.predict(instance))
        wanted = expected
        if not isinstance(expected, dict):
            wanted = {next(iter(model.metadata["outputs"])): expected}
        same = all(equal(prediction[name], value) for name, value in wanted.items())
        agreed = agreed and same
        print(json.dumps({"prediction": prediction, "as_before": same}))  # noqa: T201 its purpose
    return agreed


def equal(one: Any, other: Any) -> bool:
    """Compare numbers within the tolerance, all else exactly."""
    try:
        return bool(np.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True))
    except TypeError:
        return bool(one == other)


def main() -> None:
    """Answer a file of rows, or the sample."""
    model = Model()
    if len(sys.argv) == 1:
        sys.exit(0 if check(model) else 1)
    for line in Path(sys.argv[1]).read_text().splitlines():
        if line.strip():
            prediction = model.readable(model.predict(json.loads(line)))
            print(json.dumps(prediction))  # noqa: T201 its purpose


if __name__ == "__main__":
    main()
