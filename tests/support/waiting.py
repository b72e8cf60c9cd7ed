"""Waits for a condition that other threads make true."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(holds: Callable[[], T], *, seconds: float = 60.0) -> T:
    """The first true value of ``holds()``; fails after ``seconds`` (wall clock)."""
    deadline = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < deadline, f"not true within {seconds:g} s: {holds}"
        time.sleep(0.02)
    return value
