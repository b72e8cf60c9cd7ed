"""The description of a written clip, and the error for a span without pictures."""

from dataclasses import dataclass

from monitor.errors import SourceError


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip on disk; its time 0 is the media time ``start``."""

    start: float  # media time of the first picture, seconds; normally at or before the requested start
    end: float  # media time of the last picture, seconds
    reencoded: bool  # False: the source's own compressed pictures, bit by bit


def missing_span_error(start: float, end: float, *, available: tuple[float, float] | None) -> SourceError:
    """The error for a span (media time, seconds) that has no pictures, or whose pictures were deleted.

    Args:
        available: media times of the first and the last available picture; None if there are none.
    """
    if available is None:
        there = "there are none at all"
    elif end < available[0]:
        there = f"the first one is at {available[0]:.2f} s"
    else:
        there = f"the last one is at {available[1]:.2f} s"
    return SourceError(f"there is no picture between {start:.2f} s and {end:.2f} s: {there}")
