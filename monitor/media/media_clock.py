"""Turns a source's timestamps into media time."""

TICK = 1e-3  # seconds added to a repeated timestamp
RESET = 1.0  # seconds: a larger step back means that the timestamps restarted
LEAP = 86_400.0  # seconds: a larger step forward also means a restart ...
LIVE_LEAP = 60.0  # ... shorter in a live source, which is reported as lost long before such a pause
BREAK = 2.0  # seconds added at a restart: the real gap is unknown, and no track survives this long


class MediaClock:
    """Turns timestamps into seconds since the first picture, strictly increasing.

    A missing timestamp counts as one ``period`` after the picture before. A small step back or a repeated timestamp
    advances by a tick. When the timestamps restart (a joined recording, a rebooted camera), media time continues
    after a ``lapse``. The lapse also applies to files, although it shifts later pictures against the file's own sound:
    without it, a track and its verdict would continue across the break.

    Args:
        period: seconds from picture to picture.
        lapse: seconds added at a restart; 0 if the restart lost no picture.
        leap: a step forward of more seconds than this is a restart, not a pause.
    """

    def __init__(self, *, period: float, lapse: float = BREAK, leap: float = LEAP) -> None:
        self._period, self._lapse, self._leap = period, lapse, leap
        self._start: float | None = None  # the timestamp of media time 0
        self._last: float | None = None
        self.breaks = 0  # number of restarts
        self.disordered = 0  # timestamps that repeated the one before, or ran back
        self._before: float | None = None  # the previous timestamp as read

    def read(self, timestamp: float | None) -> float:
        """The media time of the next picture.

        Args:
            timestamp: seconds on the source's own clock; None if the picture has none.
        """
        self._last = time = self._next(timestamp)
        return time

    def _next(self, timestamp: float | None) -> float:
        expected = 0.0 if self._last is None else self._last + self._period
        if timestamp is None:
            return expected
        self.disordered += self._before is not None and timestamp <= self._before
        self._before = timestamp
        if self._last is None or self._start is None:
            self._start = timestamp - expected
            return expected
        time = timestamp - self._start
        if not -RESET <= time - self._last < self._leap:
            self.breaks += 1
            self._start = timestamp - expected - self._lapse
            return expected + self._lapse
        return max(time, self._last + TICK)
