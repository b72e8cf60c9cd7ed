"""Frame counts and latencies of one connection."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

from monitor.types.serialise import HIDDEN, Serialisable

LATENCIES: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds, upper edges of the histogram


@dataclass(frozen=True, slots=True)
class SessionStats(Serialisable):
    """Counts of all frames: ``frames_read == frames_analysed + sum(dropped.values())`` at the end."""

    frames_read: int  # frames that were decoded
    frames_analysed: int  # frames that went through the pipeline
    dropped: Mapping[str, int]  # frames read but not analysed, by cause
    lost: Mapping[str, int]  # frames or packets that could not be decoded, by cause
    seconds: float  # wall clock from the first frame to the end, or to now
    latency_p50: float | None  # median time from a frame's arrival to its observation, seconds; None before the first
    latency_p95: float | None  # 95th percentile of the same, seconds
    # analysed frames in each bin of ``LATENCIES``, and above the last edge
    latencies: tuple[int, ...] = field(default=(), metadata=HIDDEN)
    latency: float = field(default=0.0, metadata=HIDDEN)  # seconds, sum over all analysed frames
    _shown: ClassVar = {"fps": 2}

    @classmethod
    def counted(cls, analysed: int, *, dropped: Mapping[str, int], lost: Mapping[str, int]) -> Self:
        """The counts of a source without measured times."""
        read = analysed + sum(dropped.values())
        return cls(read, analysed, dropped, lost, seconds=0.0, latency_p50=None, latency_p95=None)

    @property
    def fps(self) -> float:
        """Frames analysed per second of wall clock."""
        return self.frames_analysed / self.seconds if self.seconds > 0 else 0.0
