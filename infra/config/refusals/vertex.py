"""What only Vertex AI has. Pure data."""

from typing import Final

from infra.config.refusals.refusal import ALL_TARGETS, VERTEX, Refusal

VERTEX_REFUSALS: Final = (
    Refusal(
        field="models.*.vertex",
        targets=ALL_TARGETS - VERTEX,
        reason="only Vertex AI reads it",
        remedy="Remove the section, or write: target: vertex",
    ),
)
