"""The JSON Schema of a whole stack file, made from the model: `python -m infra.config.schema`.

Editors complete and check by it. What fields must be to each other, and to the platform, is beyond
it; the program says that.
"""

import json
from pathlib import Path
from typing import Any, Final

from infra.config.model import StackConfig
from infra.config.problems import NAMESPACE

SCHEMA_PATH: Final = Path(__file__).resolve().parents[2] / "schema" / "stack.schema.json"

_PULUMI_KEYS: Final = {
    "encryptionsalt": "Salt of the passphrase that encrypts this stack's secrets.",
    "encryptedkey": "Key that encrypts this stack's secrets, itself encrypted by the provider.",
    "secretsprovider": "What encrypts this stack's secrets.",
}


def stack_file_schema() -> dict[str, Any]:
    """Give the schema of a file `Pulumi.STACK.yaml`."""
    stack = _plain(StackConfig.model_json_schema())
    config = {
        "type": "object",
        "description": "The configuration of the stack; keys are NAMESPACE:NAME.",
        "properties": {
            f"{NAMESPACE}:{name}": schema for name, schema in stack["properties"].items()
        },
        # Other namespaces are the providers' own.
        "patternProperties": {f"^(?!{NAMESPACE}:)[^:]+:": True},
        "required": [f"{NAMESPACE}:{name}" for name in stack["required"]],
        "additionalProperties": False,
    }
    pulumi = {
        key: {"type": "string", "description": f"{text} Pulumi writes it."}
        for key, text in _PULUMI_KEYS.items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A stack of servestack",
        "type": "object",
        "properties": {"config": config, **pulumi},
        "required": ["config"],
        "additionalProperties": False,
        "$defs": stack["$defs"],
    }


def schema_document() -> str:
    """Give the file's text."""
    return json.dumps(stack_file_schema(), indent=2) + "\n"


def _plain(schema: Any) -> Any:
    """Take out what pydantic says and a stack file does not: titles, nulls, sections' defaults."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {
        key: _plain(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
        and not (key == "default" and (value is None or isinstance(value, dict)))
    }
    if "patternProperties" in plain:
        plain["additionalProperties"] = False
    choices = [choice for choice in plain.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        del plain["anyOf"]
        plain = {**choices[0], **plain}
    elif choices:
        plain["anyOf"] = choices
    return plain


def main() -> None:
    """Write the file."""
    SCHEMA_PATH.parent.mkdir(exist_ok=True)
    SCHEMA_PATH.write_text(schema_document(), encoding="utf-8")


if __name__ == "__main__":
    main()
