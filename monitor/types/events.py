"""The events of a stream, from its opening to its end: each is a frozen value with one ``to_dict``.

Of one frame come ``FrameAnalysed`` first, then its ``LabelChanged``, ``HintRaised`` and ``SegmentClosed``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from monitor.types.flags import Flag
from monitor.types.frames import Frame, SourceInfo
from monitor.types.hints import Hint
from monitor.types.serialise import HIDDEN, JsonObject, Serialisable
from monitor.types.stats import SessionStats
from monitor.types.verdicts import LabelChange, Observation, Segment, SourceVerdict, TrackSummary, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEvent(Serialisable):
    """What all events have in common."""

    type: ClassVar[str]  # as JSON names it: "label_changed"

    stream: str  # as shown, secrets masked
    connection: int  # counts the openings of a stream from 1; media time begins anew with each
    at: datetime  # UTC

    def to_dict(self) -> JsonObject:
        """The event as JSON values, its type first."""
        return {"type": self.type, **Serialisable.to_dict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOpened(StreamEvent):
    """A source is open; its first frame follows."""

    type: ClassVar = "stream_opened"

    source: SourceInfo
    engine: str  # e.g. "onnxruntime-fp32"
    model: str  # id of the weights


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameAnalysed(StreamEvent):
    """A frame went through all stages."""

    type: ClassVar = "frame_analysed"

    frame: Frame = field(metadata=HIDDEN, repr=False)
    observation: Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelChanged(StreamEvent):
    """The label of one face changed."""

    type: ClassVar = "label_changed"

    change: LabelChange
    verdict: Verdict  # of that face, after the change


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentClosed(StreamEvent):
    """A suspicious span of one face is over."""

    type: ClassVar = "segment_closed"

    segment: Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class HintRaised(StreamEvent):
    """The stream itself began to look wrong in one way (``hint.end`` is None), or no longer does."""

    type: ClassVar = "hint_raised"

    hint: Hint


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagCommitted(StreamEvent):
    """A flag is in the database."""

    type: ClassVar = "flag_committed"

    flag: Flag


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStateChanged(StreamEvent):
    """The stream was found, lost, paused, or given up."""

    type: ClassVar = "stream_state_changed"

    state: str  # connecting, live, stalled, reconnecting, paused, ended, failed
    reason: str = ""  # "" where the state says it all
    attempt: int = 0  # since the last frame, from 1; 0 while frames come
    retry_after: float | None = None  # seconds until the next attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamClosed(StreamEvent):
    """A source is closed: its verdict, and what was open at its end."""

    type: ClassVar = "stream_closed"

    verdict: SourceVerdict
    segments: tuple[Segment, ...]  # still open at the end
    tracks: tuple[TrackSummary, ...]  # still followed at the end
    frames: SessionStats
    failure: str = ""  # why it ended before its time
    error: Exception | None = field(default=None, metadata=HIDDEN, repr=False)  # the failure itself


Event = (
    StreamOpened
    | FrameAnalysed
    | LabelChanged
    | SegmentClosed
    | HintRaised
    | FlagCommitted
    | StreamStateChanged
    | StreamClosed
)


def frame_events(frame: Frame, observation: Observation, *, stream: str, connection: int) -> Iterator[Event]:
    """The events of one analysed frame, in their order."""
    at = frame.captured_at
    yield FrameAnalysed(stream=stream, connection=connection, at=at, frame=frame, observation=observation)
    verdicts = {verdict.track_id: verdict for verdict in observation.verdicts}
    for change in observation.changes:
        verdict = verdicts[change.track_id]
        yield LabelChanged(stream=stream, connection=connection, at=at, change=change, verdict=verdict)
    for hint in observation.hint_changes:
        yield HintRaised(stream=stream, connection=connection, at=at, hint=hint)
    for segment in observation.closed_segments:
        yield SegmentClosed(stream=stream, connection=connection, at=at, segment=segment)
