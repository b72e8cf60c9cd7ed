"""The media time of pictures, whatever their timestamps look like."""

TICK = 1e-3  # seconds between two pictures that claim the same moment
RESET = 1.0  # a step back further than this is a new start of the timestamps, not a disorder
LEAP = 86_400.0  # and so is a step forward of a day ...
LIVE_LEAP = 60.0  # ... or of a minute in a live source, which is given up long before it pauses so long
BREAK = 2.0  # seconds counted there: nobody knows how many passed, and no face is followed across so many


class MediaClock:
    """Turns timestamps into seconds since the first picture, strictly increasing.

    A missing timestamp counts as one ``period`` after the picture before. A small step back or a repeated
    timestamp advances by a tick. When timestamps start anew (a joined recording, a camera that rebooted),
    media time goes on after a ``lapse``. It is counted in a file too, though it shifts the pictures after it against
    the file's own sound: without it a face would be followed over the break, and its verdict with it.

    Args:
        period: seconds from picture to picture.
        lapse: seconds counted where timestamps start anew; 0 where it is known that no picture was missed.
        leap: seconds of a step forward that is no pause but a new start.
    """

    def __init__(self, *, period: float, lapse: float = BREAK, leap: float = LEAP) -> None:
        self._period, self._lapse, self._leap = period, lapse, leap
        self._start: float | None = None  # the timestamp of media time 0
        self._last: float | None = None
        self.breaks = 0  # how often timestamps started anew
        self.disordered = 0  # timestamps that repeated the one before, or ran back
        self._before: float | None = None  # the timestamp before, as it was read

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
