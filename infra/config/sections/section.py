"""What every section of a stack file is."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping in the stack file, with known keys only."""

    model_config = ConfigDict(frozen=True, extra="forbid")
