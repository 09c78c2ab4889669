"""The stack that runs, and what each platform gives back of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pulumi

from infra.config import StackConfig


@dataclass(frozen=True, kw_only=True)
class RunningStack:
    """What a platform is told: the configuration, and where the program runs."""

    name: str
    config: StackConfig
    checkout: Path
    home: Path

    @property
    def file_name(self) -> str:
        """Name the file that the configuration came from, for messages."""
        return f"Pulumi.{self.name}.yaml"


@dataclass(frozen=True, kw_only=True)
class StackOutputs:
    """What every platform says of itself; `more` is what only one has to say, by its output's name.

    A model's entry has target, version, canary, rest, grpc and log (null where there is none), and
    whatever its target adds.
    """

    bucket: pulumi.Input[str]
    models: Mapping[str, Mapping[str, object]]
    more: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """A model that a stack serves: what others wait for, and what it adds to its output."""

    component: pulumi.Resource
    output: Mapping[str, Any]

    def telling(self, **more: Any) -> "ServedModel":
        """Give the same model with more to tell."""
        return replace(self, output={**self.output, **more})


def configured_outputs(config: StackConfig) -> dict[str, dict[str, object]]:
    """Give each model's entry as far as the configuration knows it."""
    return {
        name: {
            "target": str(model.target),
            "version": model.version,
            "canary": model.canary and model.canary.model_dump(),
            "rest": None,
            "grpc": None,
            "log": None,
        }
        for name, model in config.models.items()
    }
