"""What was written of a span, and the sentence for a span that is gone."""

from dataclasses import dataclass

from monitor.errors import SourceError


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip that lies on the disk; its time 0 is the media time ``start``."""

    start: float  # media time of its first picture, seconds: at or before the wanted start, later if that is gone
    end: float  # media time of its last picture
    reencoded: bool  # False: these are the source's own compressed pictures, bit by bit


def gone(start: float, end: float, *, kept: tuple[float, float] | None) -> SourceError:
    """The one sentence for a span of which nothing is there, or not any more.

    Args:
        start: media time, seconds.
        end: the same.
        kept: media time of the first and the last picture that are there; None if there are none.
    """
    if kept is None:
        there = "there are none at all"
    elif end < kept[0]:
        there = f"the first that is there is at {kept[0]:.2f} s"
    else:
        there = f"the last that is there is at {kept[1]:.2f} s"
    return SourceError(f"there is no picture between {start:.2f} s and {end:.2f} s: {there}")
