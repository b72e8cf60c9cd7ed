"""Wrong passwords: who gets one wrong again and again waits longer and longer."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from monitor.errors import SignInError
from monitor.server.auth.accounts import folded

_FREE: Final = 5  # wrong ones that cost no time
_LONGEST_BY_NAME: Final = 60.0  # seconds: or anybody could lock somebody out
_LONGEST_BY_CLIENT: Final = 900.0  # seconds
_FORGOTTEN: Final = 3600.0  # seconds after the last wrong one
_MOST: Final = 10_000  # names and clients that are remembered


@dataclass(slots=True)
class _Wrong:
    count: int
    last: float  # time.monotonic()


class LoginThrottle:
    """Counts attempts by name and by client, in bounded memory."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[tuple[str, str], _Wrong] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, name: str, client: str) -> None:
        """Before a password is looked at; it counts as wrong until :meth:`right` is called.

        Raises:
            SignInError: it is too early for another attempt.
        """
        now = time.monotonic()
        keys = _keys(name, client)
        with self._lock:
            wait = max(self._wait(key, longest, now) for key, longest in keys)
            if wait > 0:
                raise SignInError(f"too many wrong passwords: wait {wait:.0f} seconds, then try again")
            for key, _ in keys:
                wrong = self._wrong.setdefault(key, _Wrong(0, now))
                wrong.count, wrong.last = wrong.count + 1, now
                self._wrong.move_to_end(key)
            while len(self._wrong) > _MOST:
                self._wrong.popitem(last=False)

    def right(self, name: str, client: str) -> None:
        """The password was right: the name starts anew; the client only gets this attempt back."""
        (by_name, _), (by_client, _) = _keys(name, client)
        with self._lock:
            self._wrong.pop(by_name, None)
            if by_client in self._wrong:
                self._wrong[by_client].count -= 1

    def _wait(self, key: tuple[str, str], longest: float, now: float) -> float:
        wrong = self._wrong.get(key)
        if wrong is None:
            return 0.0
        if now - wrong.last > _FORGOTTEN:
            del self._wrong[key]
            return 0.0
        if wrong.count < _FREE:
            return 0.0
        pause = min(longest, 2.0 ** min(wrong.count - _FREE, 20))
        return wrong.last + pause - now


def _keys(name: str, client: str) -> tuple[tuple[tuple[str, str], float], tuple[tuple[str, str], float]]:
    return (("name", folded(name)[:80]), _LONGEST_BY_NAME), (("client", _network(client)), _LONGEST_BY_CLIENT)


def _network(client: str) -> str:
    """An IPv6 address without the half that whoever has it can choose."""
    try:
        address = ip_address(client)
    except ValueError:
        return client
    return str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else client
