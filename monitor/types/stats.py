"""Counts of the frames of one connection."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

from monitor.types.serialise import HIDDEN, Serialisable

LATENCIES: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds, upper edges of the histogram


@dataclass(frozen=True, slots=True)
class SessionStats(Serialisable):
    """Every frame accounted for: ``frames_read == frames_analysed + sum(dropped.values())`` at the end."""

    frames_read: int  # frames that were decoded
    frames_analysed: int  # frames that went through the pipeline
    dropped: Mapping[str, int]  # by cause, frames that came and were not analysed
    lost: Mapping[str, int]  # by cause, frames or packets that the source could not decode
    seconds: float  # wall clock from the first frame that was read to the end, or to now
    latency_p50: float | None  # median of the seconds from a frame's arrival to its observation; None before the first
    latency_p95: float | None  # the same, of the slowest in twenty
    # analysed frames in each bin of ``LATENCIES``, and beyond the last
    latencies: tuple[int, ...] = field(default=(), metadata=HIDDEN)
    latency: float = field(default=0.0, metadata=HIDDEN)  # seconds, of all analysed frames together
    _shown: ClassVar = {"fps": 2}

    @classmethod
    def counted(cls, analysed: int, *, dropped: Mapping[str, int], lost: Mapping[str, int]) -> Self:
        """Of a source whose frames were counted and not timed."""
        read = analysed + sum(dropped.values())
        return cls(read, analysed, dropped, lost, seconds=0.0, latency_p50=None, latency_p95=None)

    @property
    def fps(self) -> float:
        """Frames analysed per second of wall clock."""
        return self.frames_analysed / self.seconds if self.seconds > 0 else 0.0
