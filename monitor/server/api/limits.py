"""Limits of requests per minute, in memory: a moving window per key, or per address without a key."""

import threading
import time
from collections import OrderedDict, deque
from ipaddress import IPv6Address, ip_network
from math import ceil
from typing import Final

from fastapi import HTTPException
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from monitor.server.auth.client_address import read_ip
from monitor.settings import ApiSettings

_MAX_NAMES: Final = 10_000  # counted keys and addresses; beyond, those that did not ask for longest are forgotten
_FAILURES: Final = RateLimitItemPerMinute(30)  # wrong keys of one address
_LOOK_UPS: Final = RateLimitItemPerMinute(600)  # of keys of one address that this process does not know
_WINDOW: Final = 60.0  # seconds


class WindowStorage(MemoryStorage):
    """Keeps each window in memory on the monotonic clock, of at most ``_MAX_NAMES`` names.

    The library's own storage starts a thread for every hundredth of a second with a request, and never forgets a name.
    """

    STORAGE_SCHEME = ["deepfake-monitor"]  # noqa: RUF012 - the library's

    def __init__(self) -> None:
        super().__init__()
        self._windows: OrderedDict[str, deque[float]] = OrderedDict()  # times of requests, the oldest first
        self._lock = threading.Lock()

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count requests, unless there are too many."""
        with self._lock:
            window = self._current(key, expiry)
            if len(window) + amount > limit:
                return False
            window.extend([time.monotonic()] * amount)
            while len(self._windows) > _MAX_NAMES:
                self._windows.popitem(last=False)
            return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002 - the library's
        """The time of the oldest request that counts, and the number of those."""
        with self._lock:
            window = self._current(key, expiry)
            return (window[0] if window else time.monotonic()), len(window)

    def _current(self, key: str, expiry: int) -> deque[float]:
        window = self._windows.setdefault(key, deque())
        self._windows.move_to_end(key)
        oldest = time.monotonic() - expiry
        while window and window[0] <= oldest:
            window.popleft()
        return window


class RequestLimits:
    """Counts requests, and refuses those beyond the limits."""

    def __init__(self, settings: ApiSettings) -> None:
        self._reads = RateLimitItemPerMinute(settings.reads_per_minute)
        self._changes = RateLimitItemPerMinute(settings.changes_per_minute)
        self._window = MovingWindowRateLimiter(WindowStorage())

    def count(self, name: str, *, changing: bool) -> None:
        """Count a request of a key or an address.

        Raises:
            HTTPException: 429, the limit is reached.
        """
        item, what = (self._changes, "changes") if changing else (self._reads, "reads")
        self._hit(item, f"{what} {name}", sentence=f"more than {item.amount} {what} in one minute")

    def count_look_up(self, address: str) -> None:
        """Count the look-up of an unknown key, before it is made: it reads the database.

        Raises:
            HTTPException: 429, the limit is reached.
        """
        self._hit(_LOOK_UPS, f"look-ups {address}", sentence="too many unknown keys in one minute")

    def count_failure(self, address: str) -> None:
        """Count a wrong key, after its look-up: valid keys of the same address pass.

        Raises:
            HTTPException: 429, the limit is reached.
        """
        self._hit(_FAILURES, f"failures {address}", sentence="too many wrong keys in one minute")

    def _hit(self, item: RateLimitItemPerMinute, name: str, *, sentence: str) -> None:
        if not self._window.hit(item, name):
            raise self._refusal(item, name, sentence=sentence)

    def _refusal(self, item: RateLimitItemPerMinute, name: str, *, sentence: str) -> HTTPException:
        free_at, _ = self._window.get_window_stats(item, name)
        wait = max(1, ceil(min(_WINDOW, free_at - time.monotonic())))
        return HTTPException(
            429, f"{sentence}: wait {wait} seconds, then repeat it", headers={"Retry-After": str(wait)}
        )


def network_of(address: str) -> str:
    """The /64 network of an IPv6 address, as a client can choose the other half; other addresses unchanged."""
    ip = read_ip(address)
    return str(ip_network((ip, 64), strict=False)) if isinstance(ip, IPv6Address) else address
