"""Collects the tracks, segments, label changes and hints of a whole source."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from monitor.analysis.verdicts import source_verdict
from monitor.types import Frame, Hint, LabelChange, Observation, Segment, SourceVerdict, TrackSummary

MAX_ITEMS: Final = 10_000


class VerdictCollector:
    """Collects a source's tracks, segments, label changes and hints.

    Args:
        max_items: of each kind, beyond which the oldest are dropped; None: all are kept.
    """

    def __init__(self, *, max_items: int | None = MAX_ITEMS) -> None:
        self._ended: deque[TrackSummary] = deque(maxlen=max_items)
        self._segments: deque[Segment] = deque(maxlen=max_items)
        self._changes: deque[LabelChange] = deque(maxlen=max_items)
        self._engines: dict[str, None] = {}  # in order of use: an engine may be upgraded during the run
        self._hints: deque[Hint] = deque(maxlen=max_items)
        self._open_hints: tuple[Hint, ...] = ()
        self._open_segments: tuple[Segment, ...] = ()
        self._open_tracks: tuple[TrackSummary, ...] = ()

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
        self._open_segments, self._open_tracks = tuple(segments), tuple(tracks)

    @property
    def verdict(self) -> SourceVerdict:
        """The verdict on the whole source, so far."""
        return source_verdict(self.tracks)

    @property
    def tracks(self) -> tuple[TrackSummary, ...]:
        """The kept tracks."""
        return (*self._ended, *self._open_tracks)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The kept suspicious segments."""
        return (*self._segments, *self._open_segments)

    @property
    def label_changes(self) -> tuple[LabelChange, ...]:
        """The kept label changes."""
        return tuple(self._changes)

    @property
    def engines(self) -> tuple[str, ...]:
        """The names of all engines that scored, in order."""
        return tuple(self._engines)

    @property
    def hints(self) -> tuple[Hint, ...]:
        """The kept hints on the stream, followed by the hints active at the end."""
        return (*self._hints, *self._open_hints)
