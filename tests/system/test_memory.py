"""Freed memory returns to the system, at a limited rate."""

import subprocess
import sys

import pytest

from monitor.system import memory

PROGRAM = """
import os
from pathlib import Path
from monitor.system import memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6

blocks = [bytearray(60_000) for _ in range(4000)]
kept = blocks[::40]  # so that the heap cannot simply shrink
full = resident()
del blocks
freed = resident()
memory.trim()
print(full, freed, resident())
"""


@pytest.mark.skipif(memory._malloc_trim() is None, reason="needs glibc's allocator")
def test_freed_memory_is_returned_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    full, freed, now = map(float, done.stdout.split())
    assert full - freed < 50, "the allocator keeps it"
    assert full - now > 150


def test_memory_is_trimmed_at_a_limited_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    now = [1000.0]
    monkeypatch.setattr(memory, "_malloc_trim", lambda: calls.append)
    monkeypatch.setattr(memory, "_trimmed_at", 0.0)
    monkeypatch.setattr(memory.time, "monotonic", lambda: now[0])
    for step in (0, 30, 29, 1, 60):
        now[0] += step
        memory.trim(min_interval=memory.MIN_INTERVAL)
    assert len(calls) == 3
    memory.trim()
    assert len(calls) == 4


def test_systems_without_glibc_skip_trimming(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: None) -> None:
        raise OSError

    monkeypatch.setattr(memory.ctypes, "CDLL", absent)
    memory._malloc_trim.cache_clear()
    try:
        memory.trim()
    finally:
        memory._malloc_trim.cache_clear()
