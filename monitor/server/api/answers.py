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


class NodeAnswer(Answer):
    """One machine of a fleet."""

    name: str
    state: str = Field(description="ready, or in words why it takes no streams.")
    streams: int
    capacity: int = Field(description="Streams that it holds.")
    load: str = Field(description="The rate of the analysis, in words; empty: not known.")
    load_level: int = Field(description="0: every frame is analysed.")
    clips_waiting: int
    events_lost: dict[str, int] = Field(description="Events that did not reach the server, by cause.")


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
    nodes: list[NodeAnswer] = Field([], description="The machines of a fleet; empty: this one watches the streams.")


class ModelAnswer(Answer):
    """The model cards of the running classifiers."""

    id: str = Field(description="Id of the weights, or of the committee.")
    preset: str
    thresholds: dict[str, float] = Field(description="P(fake) from which each label is given.")
    committee: dict[str, Any] | None = Field(description="The card of the committee; None for a single classifier.")
    cards: list[dict[str, Any]] = Field(description="One model card per classifier.")


class StreamCounts(Answer):
    """Counts since the stream was added; they never decrease."""

    openings: int
    frames_read: int
    frames_analysed: int
    dropped: dict[str, int] = Field(description="Frames read but not analysed, by cause.")
    lost: dict[str, int] = Field(description="Frames or packets that could not be decoded, by cause.")
    label_changes: dict[str, int] = Field(description="By the new label.")
    flags: int


class StreamAnswer(Answer):
    """One stream and its state now."""

    id: str
    name: str
    address: str = Field(description="Secrets masked.")
    state: str = Field(description="waiting, connecting, live, stalled, reconnecting, paused, ended or failed.")
    reason: str = Field(description="Empty if the state needs no reason.")
    connection: int = Field(description="Number of the connection, from 1; media time restarts with each connection.")
    attempt: int = Field(description="Number of the attempt since the last frame; 0 while frames arrive.")
    retry_after: float | None = Field(description="Seconds until the next attempt.")
    source: dict[str, Any] | None = Field(description="As `source` in the event stream_opened; None before the first.")
    label: str | None = Field(description="The worst label of the faces in the newest frame; None without a face.")
    faces: dict[str, int] = Field(description="Faces in the newest frame, by label.")
    hints: list[str] = Field(description="Hints on the stream itself that hold now.")
    fps: float | None = Field(description="Analysed frames per second of this connection.")
    latency_p50: float | None = Field(description="Seconds from the arrival of a frame to its verdicts.")
    latency_p95: float | None = Field(description="Seconds.")
    viewers: int
    node: str = Field(
        "", description="The machine of the fleet that watches it; empty: the server itself, or none now."
    )
    counts: StreamCounts


class StreamList(Answer):
    """One page of streams."""

    items: list[StreamAnswer]
    next: str | None = Field(description="The cursor of the next page; None after the last one.")


class VerdictPointAnswer(Answer):
    """The verdict on one face at one moment."""

    at: datetime = Field(description="UTC.")
    connection: int
    media_time: float
    track_id: int
    label: str
    probability: float | None = Field(description="P(fake); None without a usable sample.")


class VerdictList(Answer):
    """The verdicts on the newest frame, and one page of points of the last hours."""

    at: datetime | None = Field(description="UTC, of the newest frame; None: no frame is shown now.")
    connection: int | None
    media_time: float | None
    verdicts: list[dict[str, Any]] = Field(description="One per face in the newest frame, as in observations.")
    items: list[VerdictPointAnswer] = Field(
        description="The oldest first. Older than two minutes: the worst of each face in each second."
    )
    next: str | None = Field(description="The cursor of the next page; None after the last one.")


class AuditLine(Answer):
    """One line of the audit log."""

    number: int
    at: datetime = Field(description="UTC.")
    person: str
    action: str
    what: str = Field(description="The object of the action.")
    client: str = Field(description="Address of the client.")


class AuditList(Answer):
    """One page of the audit log, the newest line first."""

    items: list[AuditLine]
    next: str | None = Field(description="The cursor of the next page; None after the last one.")


class KeyAnswer(Answer):
    """An API key, without its secret."""

    id: str
    name: str
    role: str
    scopes: list[str] = Field(description="Empty: all.")
    created_at: datetime = Field(description="UTC.")
    expires_at: datetime | None = Field(description="UTC; None: never.")
    last_used_at: datetime | None = Field(description="UTC, to the minute; None: never.")


class NewKeyAnswer(KeyAnswer):
    """A new API key with its secret, which nobody can read again."""

    key: str = Field(description="For the header: Authorization: Bearer KEY.")


class KeyList(Answer):
    """One page of API keys, the oldest first."""

    items: list[KeyAnswer]
    next: str | None = Field(description="The cursor of the next page; None after the last one.")
