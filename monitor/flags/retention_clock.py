"""The time that age limits of flags are compared with."""

import threading
import time
from datetime import UTC, datetime
from typing import Final

CONFIRMATION: Final = 24 * 3600.0  # seconds until a clock that was set forward counts
_TOLERANCE: Final = 60.0  # seconds by which the wall clock may run ahead without being set


class RetentionClock:
    """The wall clock; after it was set forward, the old time for one more day.

    A clock that is set to another year by mistake must not delete flags. A clock that is set back counts at once.
    Thread-safe.
    """

    def __init__(self) -> None:
        self._offset = self._read_offset(time.monotonic())
        self._ahead_since: float | None = None  # time.monotonic()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The time, UTC."""
        with self._lock:
            return self._read(time.monotonic())

    def _read(self, now: float) -> datetime:
        offset = self._read_offset(now)
        if offset <= self._offset + _TOLERANCE:
            self._offset, self._ahead_since = offset, None
        elif self._ahead_since is None:
            self._ahead_since = now
        elif now - self._ahead_since >= CONFIRMATION:
            self._offset, self._ahead_since = offset, None
        return datetime.fromtimestamp(now + self._offset, UTC)

    @staticmethod
    def _read_offset(now: float) -> float:
        """Seconds from ``time.monotonic()`` to the wall clock."""
        return datetime.now(UTC).timestamp() - now
