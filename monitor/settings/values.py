"""The base of all settings, and the values that they share."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
ExpandedPath = Annotated[Path, AfterValidator(Path.expanduser)]
Seconds = Annotated[float, Field(gt=0.0, le=86_400.0)]


class StageSettings(BaseModel):
    """The settings of one stage: frozen, and an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def lines(value: object) -> object:
    """The lines of a text without blank ones; another value as it is."""
    return tuple(filter(None, map(str.strip, value.splitlines()))) if isinstance(value, str) else value
