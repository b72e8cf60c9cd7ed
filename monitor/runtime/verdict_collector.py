"""Everything that the verdict on a whole source needs."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from monitor.analysis.verdicts import source_verdict
from monitor.types import Frame, Hint, LabelChange, Observation, Segment, SourceVerdict, TrackSummary

_KEPT: Final = 10_000


class VerdictCollector:
    """Collects a source's tracks, segments, label changes and hints; the oldest are dropped beyond 10,000 of a kind."""

    def __init__(self) -> None:
        self._ended: deque[TrackSummary] = deque(maxlen=_KEPT)
        self._segments: deque[Segment] = deque(maxlen=_KEPT)
        self._changes: deque[LabelChange] = deque(maxlen=_KEPT)
        self._engines: dict[str, None] = {}  # in order: a faster one may take over
        self._hints: deque[Hint] = deque(maxlen=_KEPT)
        self._open_hints: tuple[Hint, ...] = ()
        self.open_segments: tuple[Segment, ...] = ()
        self.open_tracks: tuple[TrackSummary, ...] = ()

    def __call__(self, frame: Frame, observation: Observation) -> None:  # noqa: ARG002 - a sink
        """Take in one frame's observation."""
        self._changes += observation.changes
        self._engines.setdefault(observation.engine)
        self._segments += observation.closed_segments
        self._ended += observation.ended_tracks
        self._hints += (hint for hint in observation.hint_changes if hint.end is not None)
        self._open_hints = observation.hints

    def finish(self, segments: Sequence[Segment], tracks: Sequence[TrackSummary]) -> None:
        """The source ended: take in what the pipeline still has open."""
        self.open_segments, self.open_tracks = tuple(segments), tuple(tracks)

    @property
    def verdict(self) -> SourceVerdict:
        """The verdict on the whole source, so far."""
        return source_verdict(self.tracks)

    @property
    def tracks(self) -> tuple[TrackSummary, ...]:
        """Every face that was followed, or the last ten thousand."""
        return (*self._ended, *self.open_tracks)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Every suspicious segment, or the last ten thousand."""
        return (*self._segments, *self.open_segments)

    @property
    def label_changes(self) -> tuple[LabelChange, ...]:
        """Every change of a label, or the last ten thousand."""
        return tuple(self._changes)

    @property
    def engines(self) -> tuple[str, ...]:
        """All engines that scored, in order."""
        return tuple(self._engines)

    @property
    def hints(self) -> tuple[Hint, ...]:
        """Every hint on the stream itself, or the last ten thousand, and those that held at the end."""
        return (*self._hints, *self._open_hints)
