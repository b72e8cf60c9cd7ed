"""Free memory, given back to the system.

glibc's allocator keeps what was freed, and as the places of what it hands out wander through it, more of it becomes
resident: a monitor that runs for weeks would seem to leak. Loading the engines alone leaves 115 MB of it.
"""

import ctypes
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Final

EVERY: Final = 60.0  # seconds (wall clock): it takes some milliseconds, in which others wait for memory

_lock = threading.Lock()
_given_back_at = float("-inf")


def give_back(*, every: float = 0.0) -> None:
    """Give back what is free, unless it was done less than ``every`` seconds ago; nothing where there is no glibc."""
    global _given_back_at
    now = time.monotonic()
    with _lock:
        if now - _given_back_at < every:
            return
        _given_back_at = now
    if trim := _trim():
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # musl, macOS; Windows
        return None
    return found
