"""Media times -> the interval between the pictures of a source, and the settings that fit it.

The time constants of tracks, verdicts and segments are made for several pictures a second. A snapshot camera, a slide
show or a time-lapse has one picture in two or ten seconds: with the same constants every picture would end all tracks
and outlive its evidence. So they grow with the interval, from three pictures in a second on; above that rate they are
the configured ones.
"""

from collections import deque
from typing import Final

from monitor.settings import Settings

_GAPS: Final = 5  # gaps of which the median is the interval
_LONGEST: Final = 60.0  # seconds: pictures further apart than this are independent of each other
_PATIENCE: Final = 2.5  # intervals that a face may be missing, or without a usable sample
_DECAY: Final = 5.0  # intervals after which a sample's weight is 1/e


class SourceCadence:
    """The usual interval between two pictures of one stream, from their media times.

    >>> cadence = SourceCadence()
    >>> for media_time in (0.0, 2.0, 4.0, 6.5):
    ...     cadence.update(media_time)
    >>> cadence.interval
    2.0

    A single longer gap, such as a stall, does not change the interval.

    Args:
        fps: the announced frame rate; None: unknown.
    """

    def __init__(self, fps: float | None = None) -> None:
        self._gaps: deque[float] = deque([1 / fps] if fps else [], maxlen=_GAPS)
        self._last: float | None = None
        self.interval = self._median()  # seconds of media time; 0: unknown

    def update(self, media_time: float) -> None:
        """Count the next picture."""
        if self._last is not None and media_time > self._last:
            self._gaps.append(media_time - self._last)
            self.interval = self._median()
        self._last = media_time

    def _median(self) -> float:
        """The lower median, so that of two gaps the shorter one counts."""
        return min(sorted(self._gaps)[(len(self._gaps) - 1) // 2], _LONGEST) if self._gaps else 0.0


def is_slow(settings: Settings, interval: float) -> bool:
    """Whether the pictures are so far apart that each one counts alone: no picture confirms the one before."""
    return interval > settings.tracker.max_age / 2


def stretch(settings: Settings, interval: float) -> Settings:
    """The settings with time constants that fit a source with this interval between two pictures, seconds.

    The same settings for a source with a usual frame rate.
    """
    tracker, verdict, segment = settings.tracker, settings.verdict, settings.segment
    if _PATIENCE * interval <= min(tracker.max_age, verdict.timeout):
        return settings
    patience = _PATIENCE * interval
    hits = {"min_hits": 1} if is_slow(settings, interval) else {}
    ages = {"max_age": max(tracker.max_age, patience), **hits}
    evidence = {
        "timeout": max(verdict.timeout, patience),
        "decay_time": max(verdict.decay_time, _DECAY * interval),
    }
    return settings.model_copy(
        update={
            "tracker": tracker.model_copy(update=ages),
            "verdict": verdict.model_copy(update=evidence),
            "segment": segment.model_copy(update={"max_backdate": max(segment.max_backdate, patience)}),
        }
    )
