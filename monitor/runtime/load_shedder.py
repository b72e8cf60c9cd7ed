"""Reduces the analysis of all live sources in common steps when the machine is too slow, and logs each step.

An overloaded machine loses frames anyway, first those of the most crowded stream. Therefore all live sources of a
process share a ``LoadShedder``. While frames are lost or late, it steps down a ladder: first faces are scored less
often (which affects tracks least) and searched less often while no face is tracked, then fewer frames per second are
analysed. After some time without losses, it tries the step above; each time this step fails, the time until the next
attempt doubles.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_log = logging.getLogger(__name__)

SKIPPED = "left out: the machine is busy"
LATE: Final = 0.5  # seconds from a frame's arrival to its observation above which the frame counts as late
_CHECK_INTERVAL: Final = 2.0  # seconds (wall clock) between two evaluations
_START_TIME: Final = 2.0  # seconds after opening in which a stream may deliver buffered frames
_BUSY_SHARE: Final = 0.8  # share of the time above which the analysis counts as continuously busy
_STEP_SHARE: Final = 0.05  # tolerated share of lost or late frames
_DOUBLE_STEP_SHARE: Final = 0.3  # share of lost or late frames that causes a double step
# seconds (wall clock) without losses before the step above is tried: first, longest
_RETRY_TIME: Final = (5.0, 120.0)


@dataclass(frozen=True, slots=True)
class Cadence:
    """The rate at which a live source is analysed."""

    # minimum seconds of media time between two scores of one face, and between two searches while no face is tracked
    min_score_interval: float
    fps: float | None  # frames analysed per second of media time, at most; None: all

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
    """Selects the cadence of all live sources; called from their threads.

    Args:
        clock: seconds, monotonic.
        level: initial index in the ladder.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, level: int = 0) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._first_level = level
        self.reset()

    def reset(self) -> None:
        """Start again at the initial level, without the losses so far."""
        with self._lock:
            self.level = self._first_level  # index in the ladder
            self._frames = self._missed = 0  # since the last evaluation
            self._checked_at = self._lossless_since = self.clock()
            self._retry_times = [_RETRY_TIME[0]] * len(
                LADDER
            )  # seconds without losses before that level is tried again

    @property
    def cadence(self) -> Cadence:
        """The current cadence."""
        return LADDER[self.level]

    def report(self, *, frames: int, missed: int) -> None:
        """Report the last seconds of one stream.

        Args:
            frames: number of frames due for analysis.
            missed: number of lost or late frames among them.
        """
        with self._lock:
            self._frames += frames
            self._missed += missed
            now = self.clock()
            if self._frames == 0 or now - self._checked_at < _CHECK_INTERVAL:
                return
            share = self._missed / self._frames
            self._checked_at, self._frames, self._missed = now, 0, 0
            above = max(self.level - 1, 0)
            if share > _STEP_SHARE:
                self._retry_times[self.level] = min(2 * self._retry_times[self.level], _RETRY_TIME[1])
                self._step_to(self.level + (2 if share > _DOUBLE_STEP_SHARE else 1), now)
            elif now - self._lossless_since >= self._retry_times[above]:
                self._retry_times[self.level] = _RETRY_TIME[0]  # this level was stable
                self._step_to(above, now)

    def _step_to(self, level: int, now: float) -> None:
        level = min(level, len(LADDER) - 1)
        self._lossless_since = now
        if level != self.level:
            self.level = level
            _log.info("%s", self.cadence)  # the terminal shows the level elsewhere


class StreamLoad:
    """Reports one stream's drop rate and latency to the load shedder every few seconds.

    Lost frames count only while the analysis was continuously busy: a playlist delivers a whole segment at once, and
    frames lost in such a burst do not show an overload. The first seconds of a newly opened stream do not count either.
    """

    def __init__(self, load: LoadShedder) -> None:
        self._load = load
        self._started_at = load.clock() + _START_TIME
        self._lost = 0  # lost frames reported so far
        self._begin(load.clock())

    def _begin(self, now: float) -> None:
        self._since, self._last = now, now
        self._frames = self._late = 0
        self._busy = 0.0

    def add_frame(self, *, latency: float, busy: float, lost: int) -> None:
        """Add an analysed frame.

        Args:
            latency: seconds from its arrival to its observation.
            busy: seconds of analysis.
            lost: number of frames dropped so far because the analysis was too slow.
        """
        now = self._load.clock()
        if now - self._last > _CHECK_INTERVAL or now < self._started_at:  # after a pause, or in the first seconds
            self._begin(now)
            self._lost = lost
            return
        self._last = now
        self._frames += 1
        self._late += latency > LATE
        self._busy += busy
        passed = now - self._since
        if passed < _CHECK_INTERVAL:
            return
        dropped = lost - self._lost if self._busy >= _BUSY_SHARE * passed else 0
        self._load.report(frames=self._frames + dropped, missed=self._late + dropped)
        self._lost = lost
        self._begin(now)
