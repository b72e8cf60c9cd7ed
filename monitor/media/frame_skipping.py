"""Skips frames of a live source evenly, before they are converted: a busy machine cannot analyse them all."""

import math
import time
from typing import Final

_EARLY: Final = 0.25  # tolerance, as a fraction of the frame interval
_LONGEST: Final = 2.0  # seconds (wall clock) after which one is taken, whatever its media time: that may stand still


class FrameSkipper:
    """Takes at most ``fps`` frames a second of one source, and counts the skipped ones."""

    def __init__(self) -> None:
        self.fps: float | None = None  # frames taken in a second of media time, at most; None: all
        self.skipped = 0
        self._due = -math.inf  # media time of the next one that is taken
        self._taken_at = -math.inf  # time.monotonic() of the last one

    def takes(self, media_time: float) -> bool:
        """Whether the next frame is taken, given its media time."""
        if self.fps is None:
            return True
        apart = 1 / self.fps
        now = time.monotonic()
        if media_time < self._due - _EARLY * apart and now - self._taken_at < _LONGEST:
            self.skipped += 1
            return False
        self._taken_at = now
        self._due = (self._due if media_time < self._due + apart else media_time) + apart
        return True
