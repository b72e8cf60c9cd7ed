"""Counts of one stream over all its connections."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from monitor.types import HintKind, Label, Observation
from monitor.types.events import Event, FlagCommitted, FrameAnalysed, LabelChanged, StreamClosed, StreamOpened
from monitor.types.stats import LATENCIES, SessionStats


@dataclass(frozen=True, slots=True)
class StreamTotals:
    """Counts since the stream was added; they never decrease."""

    openings: int
    read: int  # frames
    analysed: int
    dropped: Mapping[str, int]  # frames read but not analysed, by cause
    lost: Mapping[str, int]  # frames or packets that the source could not decode, by cause
    changes: Mapping[Label, int]  # number of label changes, by new label
    flags: int  # committed while the stream was watched
    latencies: tuple[int, ...]  # analysed frames in each bin of ``LATENCIES``, and above the last edge
    latency: float  # seconds, sum over all analysed frames


class StreamMetrics:
    """Counts the events of one stream.

    Args:
        stats: returns the counts of the current connection; None before the first.
    """

    def __init__(self, stats: Callable[[], SessionStats | None]) -> None:
        self._stats = stats
        self._lock = threading.Lock()
        self._running = False  # whether the sums lack the current connection
        self._openings = self._read = self._analysed = self._flags = 0
        self._dropped: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._changes: Counter[Label] = Counter()
        self._latencies = (0,) * (len(LATENCIES) + 1)
        self._latency = 0.0
        self.faces: Mapping[Label, int] = {}  # faces in the newest frame, by label
        self.hints: frozenset[HintKind] = frozenset()  # hints on the stream that are active now

    def __call__(self, event: Event) -> None:
        """Count one event."""
        with self._lock:
            match event:
                case StreamOpened():
                    self._openings += 1
                    self._running = True
                case FrameAnalysed(observation=observation):
                    self._update_gauges(observation)
                case LabelChanged(change=change):
                    self._changes[change.after] += 1
                case FlagCommitted():
                    self._flags += 1
                case StreamClosed(frames=frames):
                    self._running, self.faces, self.hints = False, {}, frozenset()
                    self._add_connection(frames)

    def _update_gauges(self, observation: Observation) -> None:
        self.faces = Counter(verdict.label for verdict in observation.verdicts)
        self.hints = frozenset(hint.kind for hint in observation.hints)

    def _add_connection(self, frames: SessionStats) -> None:
        self._read += frames.frames_read
        self._analysed += frames.frames_analysed
        self._dropped.update(frames.dropped)
        self._lost.update(frames.lost)
        self._latencies = _add_bins(self._latencies, frames.latencies)
        self._latency += frames.latency

    @property
    def totals(self) -> StreamTotals:
        """All counts; thread-safe."""
        with self._lock:
            now = self._stats() if self._running else None
            return StreamTotals(
                openings=self._openings,
                flags=self._flags,
                read=self._read + (now.frames_read if now else 0),
                analysed=self._analysed + (now.frames_analysed if now else 0),
                dropped=self._dropped + Counter(now.dropped if now else {}),
                lost=self._lost + Counter(now.lost if now else {}),
                changes=dict(self._changes),
                latencies=_add_bins(self._latencies, now.latencies if now else ()),
                latency=self._latency + (now.latency if now else 0.0),
            )


def _add_bins(first: tuple[int, ...], second: Sequence[int]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip_longest(first, second, fillvalue=0))
