"""Fewer frames of a live source, evenly apart: on a busy machine those that nobody will look at need not be made."""

from __future__ import annotations

import math
from typing import Final

_EARLY: Final = 0.25  # of the time between two frames that are taken: so much too soon one may come


class Thinning:
    """Chooses among the frames of one source, before their pixels are converted, and counts the others."""

    def __init__(self) -> None:
        self.fps: float | None = None  # frames taken in a second of media time, at most; None: all
        self.left_out = 0
        self._due = -math.inf  # media time of the next one that is taken

    def takes(self, media_time: float) -> bool:
        """Whether the next frame is taken, given its media time."""
        if self.fps is None:
            return True
        apart = 1 / self.fps
        if media_time < self._due - _EARLY * apart:
            self.left_out += 1
            return False
        self._due = (self._due if media_time < self._due + apart else media_time) + apart
        return True
