"""Skips frames of a live source evenly, before they are converted, when the machine cannot analyse them all."""

import math
import time
from typing import Final

_TOLERANCE: Final = 0.25  # tolerance, as a fraction of the frame interval
_MAX_INTERVAL: Final = 2.0  # seconds (wall clock) after which a frame is taken even if media time stands still


class FrameSkipper:
    """Takes at most ``fps`` frames per second of one source and counts the skipped ones."""

    def __init__(self) -> None:
        self.fps: float | None = None  # frames taken per second of media time, at most; None: all
        self.skipped = 0
        self._due = -math.inf  # media time of the next frame to take
        self._taken_at = -math.inf  # time.monotonic() of the last frame taken

    def takes(self, media_time: float) -> bool:
        """Whether to take the frame with this media time (seconds)."""
        if self.fps is None:
            return True
        interval = 1 / self.fps
        now = time.monotonic()
        if media_time < self._due - _TOLERANCE * interval and now - self._taken_at < _MAX_INTERVAL:
            self.skipped += 1
            return False
        self._taken_at = now
        self._due = (self._due if media_time < self._due + interval else media_time) + interval
        return True
