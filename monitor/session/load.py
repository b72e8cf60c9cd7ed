"""What a busy machine leaves out: the same of every live source, one step after the other, and it says so.

A machine that cannot keep up loses frames anyway, those of the most crowded stream first. So all live sources of a
process share a ``Load``. While frames are lost or late it steps down a ladder: first a face is scored less often
(tracks suffer least from that), then fewer frames of each second are analysed. When all has been well for a while it
tries the step above; each time that proves too much, it waits twice as long before the next try.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)

LEFT_OUT = "left out: the machine is busy"
LATE: Final = 0.5  # seconds from a frame's arrival to its observation, beyond which it counts as a loss
_LOOK_EVERY: Final = 2.0  # seconds (wall clock) of frames that are judged together
_FEW: Final = 0.05  # share of lost or late frames that is borne
_MANY: Final = 0.3  # share that asks for two steps at once
_HOLD: Final = (5.0, 120.0)  # seconds (wall clock) without loss until the step above is tried, at first and at most


@dataclass(frozen=True, slots=True)
class Cadence:
    """How much of a live source is analysed."""

    rest: float  # seconds of media time between two scores of one face, at least
    fps: float | None  # frames analysed in a second of media time, at most; None: all

    def __str__(self) -> str:
        if self == LADDER[0]:
            return "all is analysed"
        frames = "every frame" if self.fps is None else f"at most {self.fps:g} frames/s"
        return f"the machine is busy: of each live source {frames}, of each face at most {1 / self.rest:.1f} scores/s"


LADDER: Final = (
    Cadence(rest=0.0, fps=None),
    Cadence(rest=0.3, fps=None),
    Cadence(rest=0.5, fps=None),
    Cadence(rest=0.5, fps=15),
    Cadence(rest=0.5, fps=10),
    Cadence(rest=0.5, fps=7),
    Cadence(rest=0.5, fps=5),
    Cadence(rest=0.5, fps=3),
)


class Load:
    """Chooses the cadence of all live sources; called from their threads.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.level = 0  # of the ladder
        self._frames = self._missed = 0  # since the last look
        self._looked_at = self._well_since = clock()
        self._hold = _HOLD[0]
        self._tried = False  # whether this level was reached from below, and has not been well for long yet

    @property
    def cadence(self) -> Cadence:
        """What holds now."""
        return LADDER[self.level]

    def lost(self, frames: int) -> None:
        """So many frames were dropped because their analysis was behind."""
        with self._lock:
            self._frames += frames
            self._missed += frames
            self._look()

    def analysed(self, *, latency: float) -> None:
        """A frame's observation was there ``latency`` seconds after its arrival."""
        with self._lock:
            self._frames += 1
            self._missed += latency > LATE
            self._look()

    def _look(self) -> None:
        now = self._clock()
        if self._frames == 0 or now - self._looked_at < _LOOK_EVERY:
            return
        share = self._missed / self._frames
        self._looked_at, self._frames, self._missed = now, 0, 0
        if share > _FEW:
            self._step_down(2 if share > _MANY else 1, now)
        elif now - self._well_since >= self._hold:
            self._step_up(now)

    def _step_down(self, steps: int, now: float) -> None:
        self._well_since = now
        if self._tried:
            self._hold, self._tried = min(2 * self._hold, _HOLD[1]), False
        level = min(self.level + steps, len(LADDER) - 1)
        if level != self.level:
            self.level = level
            _log.warning("%s", self.cadence)

    def _step_up(self, now: float) -> None:
        if self._tried:  # the last step up held
            self._hold = _HOLD[0]
        self._well_since, self._tried = now, self.level > 0
        if self.level > 0:
            self.level -= 1
            _log.info("%s", self.cadence)
