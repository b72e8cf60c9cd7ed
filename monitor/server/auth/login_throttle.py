"""Exponential back-off after failed logins."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network
from typing import Final

from monitor.errors import SignInError
from monitor.server.auth.accounts import normalize_name
from monitor.server.auth.client_address import read_ip

_FREE_ATTEMPTS: Final = 5  # failures without a delay
_LONGEST_BY_NAME: Final = 60.0  # seconds: short, so that an attacker cannot lock out a user
_LONGEST_BY_CLIENT: Final = 900.0  # seconds
_RESET_AFTER: Final = 3600.0  # seconds after the last failure
_MAX_ENTRIES: Final = 10_000  # names and clients


@dataclass(slots=True)
class _Failures:
    count: int
    last: float  # time.monotonic()


class LoginThrottle:
    """Counts failed logins by name and by client, in bounded memory."""

    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, name: str, client: str) -> None:
        """Registers an attempt before the password check; it counts as failed until :meth:`succeed`.

        Raises:
            SignInError: the back-off time of the last failure has not passed.
        """
        now = time.monotonic()
        keys = _keys(name, client)
        with self._lock:
            wait = max(self._wait(key, longest, now) for key, longest in keys)
            if wait > 0:
                raise SignInError(f"too many wrong passwords: wait {wait:.0f} seconds, then try again")
            for key, _ in keys:
                failures = self._failures.setdefault(key, _Failures(0, now))
                failures.count, failures.last = failures.count + 1, now
                self._failures.move_to_end(key)
            while len(self._failures) > _MAX_ENTRIES:
                self._failures.popitem(last=False)

    def succeed(self, name: str, client: str) -> None:
        """Records a success: resets the count of the name, and takes back only this attempt of the client."""
        (by_name, _), (by_client, _) = _keys(name, client)
        with self._lock:
            self._failures.pop(by_name, None)
            if by_client in self._failures:
                self._failures[by_client].count -= 1

    def _wait(self, key: tuple[str, str], longest: float, now: float) -> float:
        failures = self._failures.get(key)
        if failures is None:
            return 0.0
        if now - failures.last > _RESET_AFTER:
            del self._failures[key]
            return 0.0
        if failures.count < _FREE_ATTEMPTS:
            return 0.0
        pause = min(longest, 2.0 ** min(failures.count - _FREE_ATTEMPTS, 20))
        return failures.last + pause - now


def _keys(name: str, client: str) -> tuple[tuple[tuple[str, str], float], tuple[tuple[str, str], float]]:
    return (("name", normalize_name(name)[:80]), _LONGEST_BY_NAME), (("client", _network(client)), _LONGEST_BY_CLIENT)


def _network(client: str) -> str:
    """The /64 network of an IPv6 address, as a client can choose the other half; other addresses unchanged."""
    address = read_ip(client)
    return str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else client
