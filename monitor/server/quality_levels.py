"""Size and JPEG quality of the pictures for one viewer, adapted to its connection and machine.

A viewer acknowledges each frame; the time until the acknowledgement measures the viewer's speed. Three late
acknowledgements in a row lower the level; some seconds of quick acknowledgements raise it. A level has about twice the
bytes of the next lower level, and ``SLOW`` is more than twice ``QUICK``: a connection that is quick at one level is not
late at the level above, so a connection of constant speed reaches a constant level.
"""

from collections import deque
from typing import Final, NamedTuple


class QualityLevel(NamedTuple):
    """The limits of a sent picture."""

    longest: int  # pixels: limit of the longer side
    quality: int  # of the JPEG, 0..100


LEVELS: Final = (
    QualityLevel(1280, 80),
    QualityLevel(960, 70),
    QualityLevel(640, 65),
    QualityLevel(480, 50),
)  # the best first
SLOW, QUICK = 0.200, 0.080  # seconds until an acknowledgement
CALM: Final = 5.0  # seconds of quick acknowledgements before a step up
_IN_A_ROW: Final = 3  # acknowledgements: one or two late ones change nothing


class QualityAdaptation:
    """The current level of one viewer."""

    def __init__(self) -> None:
        self.index = 0
        self._latest: deque[float] = deque(maxlen=_IN_A_ROW)
        self._stepped_at = float("-inf")
        self._quick_since: float | None = None

    @property
    def level(self) -> QualityLevel:
        """The limits of the next picture."""
        return LEVELS[self.index]

    def acknowledge(self, sent_at: float, *, now: float) -> None:
        """Adapt the level to the acknowledgement of a frame.

        Args:
            sent_at: when the frame was sent, ``time.monotonic()``.
            now: when the acknowledgement arrived, same clock.
        """
        if sent_at < self._stepped_at:
            return  # this frame has the previous level
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
