"""Fewer frames of a live source, evenly apart: on a busy machine those that nobody will look at need not be made."""

import math
import time
from typing import Final

_EARLY: Final = 0.25  # of the time between two frames that are taken: so much too soon one may come
_LONGEST: Final = 2.0  # seconds (wall clock) after which one is taken, whatever its media time: that may stand still


class FrameSkipper:
    """Chooses among the frames of one source, before their pixels are converted, and counts the others."""

    def __init__(self) -> None:
        self.fps: float | None = None  # frames taken in a second of media time, at most; None: all
        self.left_out = 0
        self._due = -math.inf  # media time of the next one that is taken
        self._taken_at = -math.inf  # time.monotonic() of the last one

    def takes(self, media_time: float) -> bool:
        """Whether the next frame is taken, given its media time."""
        if self.fps is None:
            return True
        apart = 1 / self.fps
        now = time.monotonic()
        if media_time < self._due - _EARLY * apart and now - self._taken_at < _LONGEST:
            self.left_out += 1
            return False
        self._taken_at = now
        self._due = (self._due if media_time < self._due + apart else media_time) + apart
        return True
