"""Collects the tracks, segments, label changes and hints of a whole source."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from monitor.analysis.verdicts import source_verdict
from monitor.types import Frame, Hint, LabelChange, Observation, Segment, SourceVerdict, TrackSummary

_MAX_ITEMS: Final = 10_000  # of each kind


class VerdictCollector:
    """Collects a source's tracks, segments, label changes and hints; the oldest are dropped beyond 10,000 of a kind."""

    def __init__(self) -> None:
        self._ended: deque[TrackSummary] = deque(maxlen=_MAX_ITEMS)
        self._segments: deque[Segment] = deque(maxlen=_MAX_ITEMS)
        self._changes: deque[LabelChange] = deque(maxlen=_MAX_ITEMS)
        self._engines: dict[str, None] = {}  # in order of use: an engine may be upgraded during the run
        self._hints: deque[Hint] = deque(maxlen=_MAX_ITEMS)
        self._open_hints: tuple[Hint, ...] = ()
        self.open_segments: tuple[Segment, ...] = ()
        self.open_tracks: tuple[TrackSummary, ...] = ()

    def __call__(self, frame: Frame, observation: Observation) -> None:  # noqa: ARG002 - a sink
        """Add the observation of one frame."""
        self._changes += observation.changes
        self._engines.setdefault(observation.engine)
        self._segments += observation.closed_segments
        self._ended += observation.ended_tracks
        self._hints += (hint for hint in observation.hint_changes if hint.end is not None)
        self._open_hints = observation.hints

    def finish(self, segments: Sequence[Segment], tracks: Sequence[TrackSummary]) -> None:
        """Add the segments and tracks that are open at the end of the source."""
        self.open_segments, self.open_tracks = tuple(segments), tuple(tracks)

    @property
    def verdict(self) -> SourceVerdict:
        """The verdict on the whole source, so far."""
        return source_verdict(self.tracks)

    @property
    def tracks(self) -> tuple[TrackSummary, ...]:
        """The last 10,000 tracks."""
        return (*self._ended, *self.open_tracks)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The last 10,000 suspicious segments."""
        return (*self._segments, *self.open_segments)

    @property
    def label_changes(self) -> tuple[LabelChange, ...]:
        """The last 10,000 label changes."""
        return tuple(self._changes)

    @property
    def engines(self) -> tuple[str, ...]:
        """The names of all engines that scored, in order."""
        return tuple(self._engines)

    @property
    def hints(self) -> tuple[Hint, ...]:
        """The last 10,000 hints on the stream, followed by the hints active at the end."""
        return (*self._hints, *self._open_hints)
