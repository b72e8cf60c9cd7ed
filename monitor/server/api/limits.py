"""Limits of requests per minute, in memory: a moving window per key, or per address without a key."""

import threading
from datetime import UTC, datetime
from ipaddress import IPv6Address, ip_network
from math import ceil
from typing import Final

from fastapi import HTTPException
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from monitor.server.auth.client_address import read_ip
from monitor.settings import ApiSettings

_MAX_NAMES: Final = 10_000  # counted keys and addresses; beyond, all counts begin again
_FAILURES: Final = RateLimitItemPerMinute(30)  # wrong keys of one address
_WINDOW: Final = 60.0  # seconds


class RequestLimits:
    """Counts requests, and refuses those beyond the limits."""

    def __init__(self, settings: ApiSettings) -> None:
        self._reads = RateLimitItemPerMinute(settings.reads_per_minute)
        self._changes = RateLimitItemPerMinute(settings.changes_per_minute)
        self._storage = MemoryStorage()
        self._window = MovingWindowRateLimiter(self._storage)
        self._names: set[str] = set()
        self._lock = threading.Lock()

    def count(self, name: str, *, changing: bool) -> None:
        """Count a request of a key or an address.

        Raises:
            HTTPException: 429, the limit is reached.
        """
        item, what = (self._changes, "changes") if changing else (self._reads, "reads")
        self._hit(item, f"{what} {name}", sentence=f"more than {item.amount} {what} in one minute")

    def check_failures(self, address: str) -> None:
        """Refuse an address with too many wrong keys, before its key is looked up.

        Raises:
            HTTPException: 429, the limit is reached.
        """
        if not self._window.test(_FAILURES, f"failures {address}"):
            raise self._refusal(_FAILURES, f"failures {address}", sentence="too many wrong keys in one minute")

    def count_failure(self, address: str) -> None:
        """Count a wrong key."""
        self._remember(f"failures {address}")
        self._window.hit(_FAILURES, f"failures {address}")

    def _hit(self, item: RateLimitItemPerMinute, name: str, *, sentence: str) -> None:
        self._remember(name)
        if not self._window.hit(item, name):
            raise self._refusal(item, name, sentence=sentence)

    def _refusal(self, item: RateLimitItemPerMinute, name: str, *, sentence: str) -> HTTPException:
        free_at, _ = self._window.get_window_stats(item, name)
        wait = max(1, ceil(min(_WINDOW, free_at - datetime.now(UTC).timestamp())))
        return HTTPException(
            429, f"{sentence}: wait {wait} seconds, then repeat it", headers={"Retry-After": str(wait)}
        )

    def _remember(self, name: str) -> None:
        """Keep the memory bounded: the library never forgets a name."""
        with self._lock:
            if len(self._names) >= _MAX_NAMES:
                self._storage.reset()
                self._names.clear()
            self._names.add(name)


def network_of(address: str) -> str:
    """The /64 network of an IPv6 address, as a client can choose the other half; other addresses unchanged."""
    ip = read_ip(address)
    return str(ip_network((ip, 64), strict=False)) if isinstance(ip, IPv6Address) else address
