"""The pause before the next attempt."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

SHORTEST: Final = 1.0  # seconds (wall clock)
LONGEST: Final = 300.0  # seconds (wall clock)
LONGEST_ASKED: Final = 3600.0  # seconds (wall clock): a longer Retry-After is shortened
_JITTER: Final = 0.2  # share of the pause, so that receivers with many senders recover


def pause_after(attempts: int, *, retry_after: float | None = None) -> float:
    """Seconds (wall clock) until the next attempt: doubled with each attempt, from 1 s to 5 min, with jitter.

    Args:
        attempts: failed attempts so far, at least 1.
        retry_after: seconds that the receiver asked for.
    """
    longest = min(LONGEST, SHORTEST / (1 - _JITTER) * 2.0 ** min(attempts - 1, 30))
    pause = longest * random.uniform(1 - _JITTER, 1)  # noqa: S311 - no secret
    return max(pause, min(retry_after or 0.0, LONGEST_ASKED))


def parse_retry_after(header: str | None) -> float | None:
    """Seconds in the header Retry-After, a number or an HTTP date (RFC 9110); None if it is missing or wrong."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
