"""What an operator may change of the for-you list."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat


class ForYouSettings(BaseModel):
    """The list of what a user will take next, of any category."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_file: Path | None = Field(None, description="File of `interestream train for-you`; unset: no such list.")
    watch_seconds: NonNegativeFloat = Field(
        10.0, description="How often a worker looks for a new file; 0: only at its start."
    )
    size: int = Field(10, ge=1, le=20, description="Items of the list.")
    reasons: int = Field(
        3, ge=0, le=20, description="Latest items of a user that are tried as reasons; each costs a ranking; 0: none."
    )
