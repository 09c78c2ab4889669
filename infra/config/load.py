"""Where a stack's configuration comes from: the running Pulumi program, or the stack file.

Both doors give the same values to the same `parse_stack`, so that what the command line says of a
stack file is what the program will say.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from infra.config.model import StackConfig
from infra.config.parse import SECRET_MARK, parse_stack
from infra.config.problems import NAMESPACE, ConfigError, Problem, near, shown

# What Pulumi itself writes at the top of a stack file.
STACK_FILE_KEYS: Final = ("config", "encryptionsalt", "encryptedkey", "secretsprovider")


def load_stack() -> StackConfig:
    """Read the configuration of the stack whose program runs."""
    # Everyone who imports this module would pay for the SDK, and only a program has it at work.
    import pulumi  # noqa: PLC0415
    from pulumi.runtime import config  # noqa: PLC0415

    values = {**config.get_config_env(), **config.CONFIG.get()}
    secret = set(config.get_config_secret_keys_env())
    plain = {
        key: {SECRET_MARK: ""} if key in secret or config.is_config_secret(key) else value
        for key, value in values.items()
    }
    return _parse_config(plain, f"Pulumi.{pulumi.get_stack()}.yaml")


def read_stack_file(path: Path) -> StackConfig:
    """Read the configuration in a stack file, as the program of that stack would see it."""
    # A program never reads its stack file itself, and need not pay for the parser.
    from infra.config.document import read_document  # noqa: PLC0415

    document = read_document(path)
    problems = []
    for key in document:
        if key not in STACK_FILE_KEYS:
            meant = near(key, STACK_FILE_KEYS)
            place = "Did you mean" if meant else "Move it below config: or remove it; keys here are"
            known = meant or ", ".join(STACK_FILE_KEYS)
            problems.append(
                _problem(path.name, shown(key), "there is no such key", f"{place}: {known}")
            )
    config = document.get("config", {})
    if not isinstance(config, dict):
        problems.append(
            _problem(
                path.name,
                "config",
                f"{shown(config)} is not allowed; this is a mapping",
                f"Write below it, for example: {NAMESPACE}:platform: local",
            )
        )
        config = {}
    if problems:
        raise ConfigError(problems)
    return _parse_config(config, path.name)


def _parse_config(config: Mapping[Any, object], source: str) -> StackConfig:
    own: dict[str, object] = {}
    problems: list[Problem] = []
    for key, value in config.items():
        namespace, colon, name = str(key).partition(":")
        if not colon:
            remedy = f"Write: {NAMESPACE}:{shown(key)}:"
            problems.append(_problem(source, shown(key), "a key starts with its namespace", remedy))
        elif namespace == NAMESPACE:
            own[name] = value
        elif near(namespace, [NAMESPACE]):
            remedy = f"Did you mean: {NAMESPACE}:{shown(name)}"
            problems.append(_problem(source, shown(key), "nothing reads this namespace", remedy))
    try:
        stack = parse_stack(own, source=source)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from None
    if problems:
        raise ConfigError(problems)
    return stack


def _problem(file: str, key: str, rule: str, remedy: str) -> Problem:
    return Problem(file=file, key=key, rule=rule, remedy=remedy)
