"""How large and how good a picture a viewer is sent: as much as its line and its machine keep up with.

A viewer answers each frame, so the time until its answer tells how slow it is, whatever the reason. Three late
answers in a row lead to the next level down; answers that were quick for some seconds lead up again. A level has
about twice the bytes of the next, and ``SLOW`` is more than twice ``QUICK``: what is quick at one level is not late at
the one above, so a steady line ends at a steady level.
"""

from collections import deque
from typing import Final, NamedTuple


class QualityLevel(NamedTuple):
    """A picture as it is sent."""

    longest: int  # pixels of its longer side at most
    quality: int  # JPEG


LEVELS: Final = (
    QualityLevel(1280, 80),
    QualityLevel(960, 70),
    QualityLevel(640, 65),
    QualityLevel(480, 50),
)  # the best first
SLOW, QUICK = 0.200, 0.080  # seconds until an answer
CALM: Final = 5.0  # seconds of quick answers before a step up
_IN_A_ROW: Final = 3  # answers: one or two late ones are a hiccup


class QualityAdaptation:
    """Which level one viewer is at."""

    def __init__(self) -> None:
        self.index = 0
        self._latest: deque[float] = deque(maxlen=_IN_A_ROW)
        self._stepped_at = float("-inf")
        self._quick_since: float | None = None

    @property
    def level(self) -> QualityLevel:
        """What is sent now."""
        return LEVELS[self.index]

    def answered(self, sent_at: float, *, now: float) -> None:
        """Take in the answer to a frame.

        Args:
            sent_at: seconds, monotonic.
            now: the same, when the answer came.
        """
        if sent_at < self._stepped_at:
            return  # a frame of the level before
        self._latest.append(now - sent_at)
        least = min(self._latest)
        if least > QUICK and len(self._latest) == _IN_A_ROW:
            self._quick_since = None
        elif self._quick_since is None:
            self._quick_since = now
        if least > SLOW and len(self._latest) == _IN_A_ROW and self.index + 1 < len(LEVELS):
            self._step(1, now=now)
        elif self._quick_since is not None and now - self._quick_since >= CALM and self.index:
            self._step(-1, now=now)

    def _step(self, by: int, *, now: float) -> None:
        self.index += by
        self._stepped_at, self._quick_since = now, None
        self._latest.clear()
