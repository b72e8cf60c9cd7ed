"""Formats values for people: times, probabilities, shares, counts, reasons; used by all rooms."""

import difflib
import math
from collections.abc import Iterable, Mapping

from monitor.types.labels import Reason


def clock(seconds: float) -> str:
    """Media time: "0:07.4", "12:00.0", "1:02:03.0"."""
    tenths = round(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    lead = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{lead}:{tenths // 10:02d}.{tenths % 10}"


def clock_span(start: float, end: float | None) -> str:
    """A span of media time: "0:12.0 to 0:20.0"; "0:12.0 to the end" without one."""
    return f"{clock(start)} to {'the end' if end is None else clock(end)}"


def percent(probability: float) -> str:
    """A probability in whole percent, never a certainty: "94 %", ">99 %", "<1 %"."""
    if probability > 0.99:
        return ">99 %"
    return "<1 %" if probability < 0.01 else share(probability)


def percent_or_unknown(probability: float | None) -> str:
    """A probability as ``percent`` formats it, "unknown" for None and NaN."""
    return "unknown" if probability is None or math.isnan(probability) else percent(probability)


def share(part: float, *, digits: int = 0) -> str:
    """A fraction 0..1 in percent: "96 %", "0 %"; with one digit "96.3 %"."""
    return f"{100 * part:.{digits}f} %"


def count(number: int, noun: str) -> str:
    """A number with its noun: "1 flag", "2 flags"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def reasons_in_words(reasons: Iterable[Reason | str]) -> str:
    """All reasons in words: "face too small, too few samples"; "" without any. Accepts values or their names."""
    return ", ".join(Reason(reason).in_words for reason in reasons)


def suggest(name: str, known: Mapping[str, str] | Iterable[str]) -> str:
    """The end of a sentence about an unknown name: "; did you mean cuda?", or "" if no name is similar.

    Args:
        name: as it was typed.
        known: the names; or for each name the text to suggest.
    """
    texts = known if isinstance(known, Mapping) else {one: one for one in known}
    found = difflib.get_close_matches(name.lower(), texts, n=1, cutoff=0.7)
    return f"; did you mean {texts[found[0]]}?" if found else ""
