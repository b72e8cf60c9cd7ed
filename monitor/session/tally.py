"""What one watch has counted over all its epochs: a source that is lost and opened again begins no count anew."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from monitor.session.session import SessionStats
    from monitor.types import Frame, Label, Observation

LATENCIES: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds, upper edges of the histogram


@dataclass(frozen=True, slots=True)
class Totals:
    """Since the watch began; none of it ever falls."""

    read: int  # frames
    analysed: int
    dropped: Mapping[str, int]  # by cause, frames that were read and not analysed
    lost: Mapping[str, int]  # by cause, frames or packets that the source could not decode
    changes: Mapping[Label, int]  # how often a face got that label
    latencies: tuple[int, ...]  # analysed frames in each bin of ``LATENCIES``, and beyond the last
    latency: float  # seconds, of all analysed frames together


class Tally:
    """Counts for one watch; part of its audience.

    Args:
        stats: of the newest session of the watch, None before the first.
    """

    def __init__(self, stats: Callable[[], SessionStats | None]) -> None:
        self._stats = stats
        self._lock = threading.Lock()
        self._running = False  # whether the newest session's counts are not in the sums yet
        self._read = self._analysed = 0
        self._dropped: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._changes: Counter[Label] = Counter()
        self._latencies = [0] * (len(LATENCIES) + 1)
        self._latency = 0.0
        self.faces: Mapping[Label, int] = {}  # that are seen now

    def __call__(self, frame: Frame, observation: Observation) -> None:
        """A frame was analysed. Runs on the analysis thread."""
        seconds = max(0.0, (datetime.now(UTC) - frame.captured_at).total_seconds())
        faces = Counter(verdict.label for verdict in observation.verdicts)
        with self._lock:
            self._running = True
            self._latencies[bisect_left(LATENCIES, seconds)] += 1
            self._latency += seconds
            self._changes.update(change.after for change in observation.changes)
            self.faces = faces

    def closed(self) -> None:
        """The epoch is over: what its session counted stays."""
        with self._lock:
            stats = self._stats()
            self._running, self.faces = False, {}
            if stats is not None:
                self._read += stats.frames_read
                self._analysed += stats.frames_analysed
                self._dropped.update(stats.dropped)
                self._lost.update(stats.lost)

    @property
    def totals(self) -> Totals:
        """All of it; may be asked from any thread, at any time."""
        with self._lock:
            now = self._stats() if self._running else None
            return Totals(
                read=self._read + (now.frames_read if now else 0),
                analysed=self._analysed + (now.frames_analysed if now else 0),
                dropped=self._dropped + Counter(now.dropped if now else {}),
                lost=self._lost + Counter(now.lost if now else {}),
                changes=dict(self._changes),
                latencies=tuple(self._latencies),
                latency=self._latency,
            )
