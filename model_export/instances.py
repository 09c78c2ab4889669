"""Rows to predict, as a person or a script writes them down."""

import json

from pydantic import JsonValue

from model_export.errors import RefusedError


def parse_instances(text: str) -> list[JsonValue]:
    """Read a JSON list, `{"instances": […]}` as it is sent over REST, or one value a line."""
    try:
        document = json.loads(text)
    except ValueError as whole:
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            return [json.loads(line) for line in lines]
        except ValueError:
            raise RefusedError(f"The instances are not JSON: {whole}.") from whole
    if isinstance(document, dict) and isinstance(document.get("instances"), list):
        document = document["instances"]
    return document if isinstance(document, list) else [document]
