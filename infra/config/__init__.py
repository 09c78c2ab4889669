"""Typed stack configuration: parse (pure) and load (from Pulumi or a stack file)."""

from infra.config.load import load_stack, read_stack_file
from infra.config.model import LATEST, ModelConfig, StackConfig
from infra.config.parse import parse_stack
from infra.config.problems import ConfigError, Problem
from infra.config.values import Platform, Strategy, Target

__all__ = [
    "LATEST",
    "ConfigError",
    "ModelConfig",
    "Platform",
    "Problem",
    "StackConfig",
    "Strategy",
    "Target",
    "load_stack",
    "parse_stack",
    "read_stack_file",
]
