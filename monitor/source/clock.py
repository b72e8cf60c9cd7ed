"""The media time of pictures, whatever their timestamps look like."""

from __future__ import annotations

TICK = 1e-3  # seconds between two pictures that claim the same moment
RESET = 1.0  # a step back further than this is a new start of the timestamps, not a disorder
LEAP = 86_400.0  # and so is a step forward of a day


class MediaClock:
    """Turns timestamps into seconds since the first picture, strictly increasing.

    A missing timestamp counts as one ``period`` after the picture before. A small step back or a repeated
    timestamp advances by a tick. When timestamps start anew (a joined recording, a camera that rebooted),
    media time goes on from where it was.
    """

    def __init__(self, *, period: float) -> None:
        self._period = period
        self._start: float | None = None  # the timestamp of media time 0
        self._last: float | None = None

    def read(self, timestamp: float | None) -> float:
        """The media time of the next picture.

        Args:
            timestamp: seconds on the source's own scale, None if the picture has none.
        """
        self._last = time = self._next(timestamp)
        return time

    def _next(self, timestamp: float | None) -> float:
        expected = 0.0 if self._last is None else self._last + self._period
        if timestamp is None:
            return expected
        if self._last is None or self._start is None:
            self._start = timestamp - expected
            return expected
        time = timestamp - self._start
        if not -RESET <= time - self._last < LEAP:
            self._start = timestamp - expected
            return expected
        return max(time, self._last + TICK)
