"""Repeats a request that failed for a reason that passes: lost connections, and the statuses 429, 502, 503 and 504.

A request with an Idempotency-Key is also repeated after 409 with Retry-After: the server has not noticed yet that it
lost the connection of the first attempt.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from monitor.client.calls import ApiCall
from monitor.client.refusals import connection_error, refusal_of
from monitor.errors import RemoteError

_BUSY: Final = frozenset({429, 502, 503, 504})
_NOT_DONE: Final = 429  # the server refused before it did anything, so that every request may be repeated
_KEY: Final = "Idempotency-Key"


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a request is repeated, and how long the client waits before: exponential back-off with full jitter."""

    attempts: int = 5  # of one request, with the first one; 1: no repetition
    first_pause: float = 0.5  # seconds, longest pause before the second attempt; it doubles with each attempt
    longest_pause: float = 20.0  # seconds
    longest_retry_after: float = 120.0  # seconds; if the server asks for more, the request fails at once

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError("attempts must be at least 1")

    def pause(self, attempt: int, retry_after: float | None = None) -> float | None:
        """Seconds to wait after a failed attempt; None: give up.

        Args:
            attempt: number of the failed attempt, from 1.
            retry_after: as the server asks, seconds; None: it does not.
        """
        if attempt >= self.attempts:
            return None
        if retry_after is not None:
            return retry_after if retry_after <= self.longest_retry_after else None
        return random.uniform(0.0, min(self.longest_pause, self.first_pause * 2.0 ** (attempt - 1)))  # noqa: S311


class RequestAttempts:
    """The attempts of one request; the caller sends it and waits.

    Args:
        secret: the key, which no message contains.
    """

    def __init__(self, call: ApiCall[Any], retries: Retries, *, secret: str = "") -> None:
        self._call, self._retries, self._secret = call, retries, secret
        self.failed = 0

    def fail(self, error: httpx.TransportError) -> float:
        """Seconds until the next attempt after a lost connection.

        Raises:
            ServerUnavailableError: there is no next attempt.
        """
        self.failed += 1
        refused = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)  # nothing was sent
        pause = self._retries.pause(self.failed) if self._call.is_repeatable or refused else None
        if pause is None:
            raise connection_error(error, secret=self._secret) from None
        return pause

    def take(self, response: httpx.Response) -> float | None:
        """Seconds until the next attempt after an answer, whose body was read; None: the request succeeded.

        Raises:
            RemoteError: the server refuses the request, or there is no next attempt.
        """
        status = response.status_code
        if response.is_success:
            return None
        was_lost = self.failed > 0 and self._call.method == "DELETE"
        if was_lost and status == httpx.codes.NOT_FOUND:
            return None  # the first attempt deleted it, only its answer was lost
        self.failed += 1
        retry_after = read_retry_after(response.headers.get("retry-after"))
        still_runs = status == httpx.codes.CONFLICT and retry_after is not None and _KEY in self._call.headers
        may_repeat = still_runs or (status in _BUSY and (self._call.is_repeatable or status == _NOT_DONE))
        pause = self._retries.pause(self.failed, retry_after) if may_repeat else None
        if pause is None:
            error: RemoteError = refusal_of(response, retry_after=retry_after, secret=self._secret)
            raise error
        return pause


def read_retry_after(header: str | None) -> float | None:
    """Seconds of a Retry-After header (RFC 9110, section 10.2.3): a number or a date; None if there is none."""
    if header is None:
        return None
    try:
        return max(0.0, float(int(header)))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (when.astimezone(UTC) - datetime.now(UTC)).total_seconds())
