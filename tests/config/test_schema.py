"""The schema and the reference that are committed say what the model says."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from infra.config import ConfigError, parse_stack, read_stack_file
from infra.config.fields import accepts, all_fields, leaf_fields
from infra.config.guide import GUIDE_PATH, guide
from infra.config.load import STACK_FILE_KEYS
from infra.config.schema import SCHEMA_PATH, schema_document, stack_file_schema

CHECKOUT = SCHEMA_PATH.parents[1]
STACK_FILES = sorted(CHECKOUT.glob("Pulumi.*.yaml"))


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = stack_file_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def stack(**config: Any) -> dict[str, Any]:
    values = {"platform": "local", **config}
    return {"config": {f"servestack:{key}": value for key, value in values.items()}}


def heart(**model: Any) -> dict[str, Any]:
    return stack(models={"heart": model})


def parses(document: dict[str, Any]) -> bool:
    own = {key.removeprefix("servestack:"): value for key, value in document["config"].items()}
    try:
        parse_stack(own, source="Pulumi.test.yaml")
    except ConfigError:
        return False
    return True


def test_the_committed_schema_is_current() -> None:
    assert SCHEMA_PATH.read_text(encoding="utf-8") == schema_document(), (
        "run: uv run python -m infra.config.schema"
    )


def test_the_committed_reference_is_current() -> None:
    assert GUIDE_PATH.read_text(encoding="utf-8") == guide(), (
        "run: uv run python -m infra.config.guide"
    )


def test_there_is_a_stack_file() -> None:
    assert STACK_FILES


@pytest.mark.parametrize("path", STACK_FILES, ids=lambda path: path.name)
def test_every_stack_file_is_valid_and_parses(
    path: Path, validator: jsonschema.Draft202012Validator
) -> None:
    text = path.read_text(encoding="utf-8")
    validator.validate(YAML(typ="safe", pure=True).load(text))
    read_stack_file(path)
    assert text.startswith("# yaml-language-server: $schema=schema/stack.schema.json\n")


@pytest.mark.parametrize(
    "document",
    [
        stack(),
        stack(bucket={"path": "models", "force_destroy": "true"}),
        stack(local={"server": "docker", "image": "tensorflow/serving:2.19.1"}),
        heart(),
        heart(version=2),
        heart(version="2"),
        heart(version="latest", poll_seconds=5),
        heart(version=2, canary={"version": "3", "share": 10}, labels={"stable": 2}),
        heart(batching={"max_batch_size": 8, "allowed_batch_sizes": [1, 8]}, warmup=False),
        heart(threads={"intra_op": 1}, ports={"rest": 8501}, prefer_tflite_model=True),
    ],
    ids=str,
)
def test_a_valid_stack_is_taken_by_both(
    document: dict[str, Any], validator: jsonschema.Draft202012Validator
) -> None:
    assert validator.is_valid(document)
    assert parses(document)


@pytest.mark.parametrize(
    "document",
    [
        {"config": {}},
        {"config": {"servestack:platform": "azure"}},
        {"config": {"servestack:platform": None}},
        stack(modls={}),
        stack(models=[]),
        stack(models={"Heart": {}}),
        stack(models={"heart": None}),
        stack(bucket={"path": "gs://models"}),
        stack(bucket={"force_destroy": "yes"}),
        stack(local={"server": "podman"}),
        stack(local={"server": "docker", "image": "tensorflow/serving"}),
        heart(version=0),
        heart(version="lates"),
        heart(version=None),
        heart(verison=1),
        heart(version=1, canary={"version": 2}),
        heart(version=1, canary={"version": 2, "share": 100}),
        heart(version=1, canary={"version": 2, "share": 10, "weight": 1}),
        heart(version=1, labels={"Stable": 1}),
        heart(version=1, labels={"stable": "one"}),
        heart(batching={"allowed_batch_sizes": 8}),
        heart(ports={"rest": 80}),
        heart(warmup="off"),
    ],
    ids=str,
)
def test_an_invalid_stack_is_refused_by_both(
    document: dict[str, Any], validator: jsonschema.Draft202012Validator
) -> None:
    assert not validator.is_valid(document)
    assert not parses(document)


def test_pulumis_own_keys_and_other_namespaces_are_left_alone(
    validator: jsonschema.Draft202012Validator,
) -> None:
    document = stack()
    document["config"]["gcp:project"] = "example-ml"
    validator.validate(document | {"encryptionsalt": "v1:abc", "secretsprovider": "passphrase"})
    assert not validator.is_valid(document | {"encryptionsalts": "v1:abc"})


def test_the_schema_and_the_reader_know_the_same_keys_at_the_top() -> None:
    assert tuple(sorted(stack_file_schema()["properties"])) == tuple(sorted(STACK_FILE_KEYS))


@pytest.mark.parametrize("path", list(all_fields()))
def test_every_field_says_what_it_means_and_takes(path: str) -> None:
    info = all_fields()[path]
    assert info.description
    assert re.fullmatch(r"[A-Z`].*\.", info.description)
    if path in leaf_fields():
        rule = accepts(info)
        assert rule is not None
        assert rule.example


def test_every_description_reaches_the_editor() -> None:
    text = schema_document()
    for info in all_fields().values():
        assert info.description is not None
        assert info.description in text
