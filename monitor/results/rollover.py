"""Records a long stream in parts."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from monitor.errors import SourceError
from monitor.results.recorder import ConnectionRecorder
from monitor.results.report import Report
from monitor.types import Frame, Observation, Segment, TrackSummary
from monitor.types.stats import SessionStats

DAY: Final = 86_400.0  # seconds
_ZERO: Final = SessionStats.counted(0, dropped={}, lost={})


class RolloverRecorder:
    """Records one connection of a stream and publishes its results in parts.

    A track or a segment that is open at the end of a part is in the report of this part and of the next part.

    Args:
        begin: makes the recorder of the part that begins at a media time, seconds.
        part_seconds: media time of a part.
        so_far: returns the segments and tracks that are open now.
        stats: returns the counts of the connection.
        published: called with the report of each part except the last.

    Raises:
        OutputError: in any method: the disk is full or unavailable.
    """

    def __init__(
        self,
        begin: Callable[[float], ConnectionRecorder],
        *,
        part_seconds: float,
        so_far: Callable[[], tuple[Sequence[Segment], Sequence[TrackSummary]]],
        stats: Callable[[], SessionStats | None],
        published: Callable[[Report], None],
    ) -> None:
        self._begin, self._so_far, self._stats, self._published = begin, so_far, stats, published
        self._part_seconds = part_seconds
        self._recorder = begin(0.0)
        self._start: float | None = None  # media time of the part's first frame
        self._earlier = _ZERO  # counts of the earlier parts

    def __call__(self, frame: Frame, observation: Observation) -> None:
        """Record one frame. Runs on the analysis thread."""
        now = observation.media_time
        if self._start is None:
            self._start = now
        elif now - self._start >= self._part_seconds:
            self._roll(now)
            self._start = now
        self._recorder(frame, observation)

    def finish(
        self,
        segments: Sequence[Segment],
        tracks: Sequence[TrackSummary],
        *,
        stats: SessionStats,
        failure: SourceError | None,
    ) -> Report:
        """Publish the last part.

        Args:
            stats: counts of the whole connection.
        """
        return self._recorder.finish(segments, tracks, stats=_subtract(stats, self._earlier), failure=failure)

    def abort(self) -> None:
        """Discard the current part; earlier parts stay."""
        self._recorder.abort()

    def _roll(self, media_time: float) -> None:
        now = self._stats() or _ZERO
        segments, tracks = self._so_far()
        report = self._recorder.finish(segments, tracks, stats=_subtract(now, self._earlier), failure=None)
        self._earlier = now
        self._recorder = self._begin(media_time)
        self._published(report)


def _subtract(now: SessionStats, before: SessionStats) -> SessionStats:
    """The difference of two counts; the latencies stay those of the whole connection."""
    return replace(
        now,
        frames_read=now.frames_read - before.frames_read,
        frames_analysed=now.frames_analysed - before.frames_analysed,
        dropped=_difference(now.dropped, before.dropped),
        lost=_difference(now.lost, before.lost),
        seconds=now.seconds - before.seconds,
    )


def _difference(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    return dict(Counter(now) - Counter(before))
