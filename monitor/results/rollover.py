"""The results of a stream that may run for weeks, in parts."""

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
_NOTHING: Final = SessionStats.counted(0, dropped={}, lost={})


class RolloverRecorder:
    """Records one connection of a stream; its results are published in parts.

    A track or a segment that is open at the end of a part is in its report as it is then, and in the next one again.

    Args:
        begin: makes the recorder of the next part.
        part_seconds: media time of a part.
        so_far: gives the segments and tracks that are open now.
        stats: gives the counts of the connection.
        published: called with the report of each part but the last.
    """

    def __init__(
        self,
        begin: Callable[[], ConnectionRecorder],
        *,
        part_seconds: float,
        so_far: Callable[[], tuple[Sequence[Segment], Sequence[TrackSummary]]],
        stats: Callable[[], SessionStats | None],
        published: Callable[[Report], None],
    ) -> None:
        self._begin, self._so_far, self._stats, self._published = begin, so_far, stats, published
        self._part_seconds = part_seconds
        self._recorder = begin()
        self._began: float | None = None  # media time of the part's first frame
        self._counted = _NOTHING  # frames of the earlier parts

    def __call__(self, frame: Frame, observation: Observation) -> None:
        """Record one frame; on the analysis thread.

        Raises:
            OutputError: the disk is full or gone.
        """
        now = observation.media_time
        if self._began is None:
            self._began = now
        elif now - self._began >= self._part_seconds:
            self._roll()
            self._began = now
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
            segments: that are still open.
            tracks: that are still followed.
            stats: counts of the whole connection.
            failure: what ended the source before its time, if anything did.

        Raises:
            OutputError: the disk is full or gone.
        """
        return self._recorder.finish(segments, tracks, stats=_since(stats, self._counted), failure=failure)

    def abort(self) -> None:
        """Give the present part up; earlier parts stay."""
        self._recorder.abort()

    def _roll(self) -> None:
        now = self._stats() or _NOTHING
        segments, tracks = self._so_far()
        report = self._recorder.finish(segments, tracks, stats=_since(now, self._counted), failure=None)
        self._counted = now
        self._recorder = self._begin()
        self._published(report)


def _since(now: SessionStats, before: SessionStats) -> SessionStats:
    """The counts that were added since ``before``; latencies are those of the whole connection."""
    return replace(
        now,
        frames_read=now.frames_read - before.frames_read,
        frames_analysed=now.frames_analysed - before.frames_analysed,
        dropped=_added(now.dropped, before.dropped),
        lost=_added(now.lost, before.lost),
        seconds=now.seconds - before.seconds,
    )


def _added(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    return dict(Counter(now) - Counter(before))
