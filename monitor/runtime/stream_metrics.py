"""What one watch has counted over all its epochs: a source that is lost and opened again begins no count anew."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from monitor.runtime.session import LATENCIES, SessionStats
from monitor.types import Frame, HintKind, Label, Observation


@dataclass(frozen=True, slots=True)
class StreamTotals:
    """Since the watch began; none of it ever falls."""

    read: int  # frames
    analysed: int
    dropped: Mapping[str, int]  # by cause, frames that were read and not analysed
    lost: Mapping[str, int]  # by cause, frames or packets that the source could not decode
    changes: Mapping[Label, int]  # how often a face got that label
    latencies: tuple[int, ...]  # analysed frames in each bin of ``LATENCIES``, and beyond the last
    latency: float  # seconds, of all analysed frames together


class StreamMetrics:
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
        self._latencies = (0,) * (len(LATENCIES) + 1)
        self._latency = 0.0
        self.faces: Mapping[Label, int] = {}  # that are seen now
        self.hints: frozenset[HintKind] = frozenset()  # on the stream itself, that hold now

    def __call__(self, frame: Frame, observation: Observation) -> None:  # noqa: ARG002 - a sink
        """A frame was analysed. Runs on the analysis thread."""
        faces = Counter(verdict.label for verdict in observation.verdicts)
        with self._lock:
            self._running = True
            self._changes.update(change.after for change in observation.changes)
            self.faces = faces
            self.hints = frozenset(hint.kind for hint in observation.hints)

    def closed(self) -> None:
        """The epoch is over: what its session counted stays."""
        with self._lock:
            stats = self._stats()
            self._running, self.faces, self.hints = False, {}, frozenset()
            if stats is not None:
                self._read += stats.frames_read
                self._analysed += stats.frames_analysed
                self._dropped.update(stats.dropped)
                self._lost.update(stats.lost)
                self._latencies = _added(self._latencies, stats.latencies)
                self._latency += stats.latency

    @property
    def totals(self) -> StreamTotals:
        """All of it; may be asked from any thread, at any time."""
        with self._lock:
            now = self._stats() if self._running else None
            return StreamTotals(
                read=self._read + (now.frames_read if now else 0),
                analysed=self._analysed + (now.frames_analysed if now else 0),
                dropped=self._dropped + Counter(now.dropped if now else {}),
                lost=self._lost + Counter(now.lost if now else {}),
                changes=dict(self._changes),
                latencies=_added(self._latencies, now.latencies if now else ()),
                latency=self._latency + (now.latency if now else 0.0),
            )


def _added(some: tuple[int, ...], others: Sequence[int]) -> tuple[int, ...]:
    return tuple(one + other for one, other in zip_longest(some, others, fillvalue=0))
