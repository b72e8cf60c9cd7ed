"""Returns free memory to the system.

glibc's allocator keeps freed memory, and more of it becomes resident over time, so a monitor that runs for weeks
would seem to leak memory. Loading the engines alone leaves 115 MB of free memory.
"""

import ctypes
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Final

MIN_INTERVAL: Final = 60.0  # seconds (wall clock); a call takes some milliseconds and blocks other allocations

_lock = threading.Lock()
_trimmed_at = float("-inf")


def trim(*, min_interval: float = 0.0) -> None:
    """Return free memory to the system, at most once in ``min_interval`` seconds; does nothing without glibc."""
    global _trimmed_at
    now = time.monotonic()
    with _lock:
        if now - _trimmed_at < min_interval:
            return
        _trimmed_at = now
    if malloc_trim := _malloc_trim():
        malloc_trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # musl, macOS; Windows
        return None
    return found
