"""What a busy machine leaves out: the same of every live source, one step after the other, and it says so.

A machine that cannot keep up loses frames anyway, those of the most crowded stream first. So all live sources of a
process share a ``LoadShedder``. While frames are lost or late it steps down a ladder: first a face is scored less often
(tracks suffer least from that) and looked for less often where nobody is seen, then fewer frames of each second are
analysed. When all has been well for a while it tries the step above; each time that a step proves too much, it waits
twice as long before it tries that one again.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_log = logging.getLogger(__name__)

SKIPPED = "left out: the machine is busy"
LATE: Final = 0.5  # seconds from a frame's arrival to its observation, beyond which it counts as a loss
_LOOK_EVERY: Final = 2.0  # seconds (wall clock) of frames that are judged together
_SETTLED: Final = 2.0  # seconds after which a stream no longer hands over what it had in store
_ALL_THE_TIME: Final = 0.8  # share of the time
_FEW: Final = 0.05  # share of lost or late frames that is borne
_MANY: Final = 0.3  # share that asks for two steps at once
_HOLD: Final = (5.0, 120.0)  # seconds (wall clock) without loss until a step is tried again, at first and at most


@dataclass(frozen=True, slots=True)
class Cadence:
    """How much of a live source is analysed."""

    min_score_interval: (
        float  # seconds of media time between two scores of one face, and two searches where nobody is, at least
    )
    fps: float | None  # frames analysed in a second of media time, at most; None: all

    def __str__(self) -> str:
        if self == LADDER[0]:
            return "all is analysed"
        frames = "every frame" if self.fps is None else f"at most {self.fps:g} frames/s"
        rate = f"{1 / self.min_score_interval:.1f}"
        return (
            f"the machine is busy: of each live source {frames}, "
            f"of each face at most {rate} scores/s, where nobody is seen {rate} searches/s"
        )


LADDER: Final = (
    Cadence(min_score_interval=0.0, fps=None),
    Cadence(min_score_interval=0.3, fps=None),
    Cadence(min_score_interval=0.5, fps=None),
    Cadence(min_score_interval=0.5, fps=15),
    Cadence(min_score_interval=0.5, fps=10),
    Cadence(min_score_interval=0.5, fps=7),
    Cadence(min_score_interval=0.5, fps=5),
    Cadence(min_score_interval=0.5, fps=3),
)


class LoadShedder:
    """Chooses the cadence of all live sources; called from their threads.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self.level = 0  # of the ladder
        self._frames = self._missed = 0  # since the last look
        self._looked_at = self._well_since = clock()
        self._holds = [_HOLD[0]] * len(LADDER)  # seconds without loss until that level is tried again

    @property
    def cadence(self) -> Cadence:
        """What holds now."""
        return LADDER[self.level]

    def told(self, *, frames: int, missed: int) -> None:
        """One stream's last seconds.

        Args:
            frames: that should have been analysed.
            missed: those of them that were lost or late.
        """
        with self._lock:
            self._frames += frames
            self._missed += missed
            now = self.clock()
            if self._frames == 0 or now - self._looked_at < _LOOK_EVERY:
                return
            share = self._missed / self._frames
            self._looked_at, self._frames, self._missed = now, 0, 0
            above = max(self.level - 1, 0)
            if share > _FEW:
                self._holds[self.level] = min(2 * self._holds[self.level], _HOLD[1])
                self._step_to(self.level + (2 if share > _MANY else 1), now)
            elif now - self._well_since >= self._holds[above]:
                self._holds[self.level] = _HOLD[0]  # it has held
                self._step_to(above, now)

    def _step_to(self, level: int, now: float) -> None:
        level = min(level, len(LADDER) - 1)
        self._well_since = now
        if level != self.level:
            self.level = level
            _log.info("%s", self.cadence)  # who watches at a terminal is told there


class StreamLoad:
    """How one live stream fares, told to the load every few seconds.

    Lost frames count only while the analysis worked all the time: a playlist hands over a segment at once, and what is
    lost then says nothing of the machine. Nor does the first rush of a stream that has just been opened.
    """

    def __init__(self, load: LoadShedder) -> None:
        self._load = load
        self._settled_at = load.clock() + _SETTLED
        self._lost = 0  # of which the load knows
        self._begin(load.clock())

    def _begin(self, now: float) -> None:
        self._since, self._last = now, now
        self._frames = self._late = 0
        self._busy = 0.0

    def analysed(self, *, latency: float, busy: float, lost: int) -> None:
        """One more frame was.

        Args:
            latency: seconds from its arrival to its observation.
            busy: seconds that it took.
            lost: frames dropped so far because the analysis was behind.
        """
        now = self._load.clock()
        if now - self._last > _LOOK_EVERY or now < self._settled_at:  # after a pause, or in the first rush
            self._begin(now)
            self._lost = lost
            return
        self._last = now
        self._frames += 1
        self._late += latency > LATE
        self._busy += busy
        passed = now - self._since
        if passed < _LOOK_EVERY:
            return
        counted = lost - self._lost if self._busy >= _ALL_THE_TIME * passed else 0
        self._load.told(frames=self._frames + counted, missed=self._late + counted)
        self._lost = lost
        self._begin(now)
