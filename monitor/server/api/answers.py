"""The values that the API answers with, as the description of the API and the Python client know them.

Values of the pipeline (verdicts, events, flags) are written by their own ``to_dict``; docs/json.md explains their keys.
"""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """The base of all answers: frozen, with a description for every key that needs one."""

    model_config = ConfigDict(frozen=True)


class HeartbeatAnswer(Answer):
    """The last test of the running engine."""

    at: datetime = Field(description="UTC.")
    healthy: bool
    why: str = Field(description="One sentence, also for a healthy engine.")


class EngineAnswer(Answer):
    """The engine that runs the networks."""

    name: str
    model: str = Field(description="Id of the weights.")
    reason: str = Field(description="Why this engine was chosen.")


class SystemAnswer(Answer):
    """The state of the server."""

    version: str
    engine: EngineAnswer | None = Field(description="None before it is loaded.")
    heartbeat: HeartbeatAnswer | None = Field(description="None before the first test.")
    load: str = Field(description="How much of the work is shed on this machine, in words.")
    load_level: int = Field(description="0: every frame is analysed.")
    streams: int
    flags: int
    free_bytes: int = Field(description="Free space on the disk of the flags.")
    used_bytes: int = Field(description="Size of all files of flags.")
    clips_waiting: int
    analyses_waiting: int
    observer_failures: dict[str, dict[str, int]] = Field(
        description="Failures of each observer, by the id of the stream, since the stream was added."
    )


class ModelAnswer(Answer):
    """The model cards of the running classifiers."""

    id: str = Field(description="Id of the weights, or of the committee.")
    preset: str
    thresholds: dict[str, float] = Field(description="P(fake) from which each label is given.")
    committee: dict[str, Any] | None = Field(description="The card of the committee; None for a single classifier.")
    cards: list[dict[str, Any]] = Field(description="One model card per classifier.")
