"""The events of a stream, as frozen values with ``to_dict``.

The events of one frame are ``FrameAnalysed``, then its ``LabelChanged``, ``HintRaised`` and ``SegmentClosed``.
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
    """The common fields of all events."""

    type: ClassVar[str]  # the event's name in JSON, e.g. "label_changed"

    stream: str  # display name of the stream, secrets masked
    connection: int  # number of the connection, from 1; media time restarts with each connection
    at: datetime  # UTC

    def to_dict(self) -> JsonObject:
        """The event as JSON values, its type first."""
        return {"type": self.type, **Serialisable.to_dict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOpened(StreamEvent):
    """A source is open, before its first frame."""

    type: ClassVar = "stream_opened"

    source: SourceInfo
    engine: str  # e.g. "onnxruntime-fp32"
    model: str  # id of the weights


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameAnalysed(StreamEvent):
    """A frame was analysed."""

    type: ClassVar = "frame_analysed"

    frame: Frame = field(metadata=HIDDEN, repr=False)
    observation: Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelChanged(StreamEvent):
    """The label of one face changed."""

    type: ClassVar = "label_changed"

    change: LabelChange
    verdict: Verdict  # verdict on this face after the change


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentClosed(StreamEvent):
    """A suspicious segment of one face has ended."""

    type: ClassVar = "segment_closed"

    segment: Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class HintRaised(StreamEvent):
    """A hint on the stream itself began (``hint.end`` is None) or ended."""

    type: ClassVar = "hint_raised"

    hint: Hint


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagCommitted(StreamEvent):
    """A flag was committed to the database."""

    type: ClassVar = "flag_committed"

    flag: Flag


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStateChanged(StreamEvent):
    """The state of the stream changed."""

    type: ClassVar = "stream_state_changed"

    state: str  # waiting, connecting, live, stalled, reconnecting, paused, ended, failed
    reason: str = ""  # "" if the state needs no reason
    attempt: int = 0  # number of the attempt since the last frame, from 1; 0 while frames arrive
    retry_after: float | None = None  # seconds until the next attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamClosed(StreamEvent):
    """A source is closed, with its verdict and its open segments and tracks."""

    type: ClassVar = "stream_closed"

    verdict: SourceVerdict
    segments: tuple[Segment, ...]  # segments open at the end
    tracks: tuple[TrackSummary, ...]  # tracks alive at the end
    frames: SessionStats
    failure: str = ""  # reason of an early end; "" if there was none
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
    """The events of one analysed frame, in order."""
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
