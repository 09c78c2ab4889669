"""The labels that everything of a stack carries, so that a bill or a search finds all of it. Pure.

The keys are within the rules of every cloud: lower-case letters, digits and hyphens.
"""

from collections.abc import Mapping
from typing import Final

from infra.gcp_names import label_value

STACK_LABEL: Final = "servestack-stack"


def stack_labels(stack: str, own: Mapping[str, str]) -> dict[str, str]:
    """Give the stack's own labels beside those of the configuration."""
    return {**own, STACK_LABEL: label_value(stack)}
