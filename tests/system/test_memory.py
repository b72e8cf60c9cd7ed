"""What was freed goes back to the system, and not too often."""

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
memory.give_back()
print(full, freed, resident())
"""


@pytest.mark.skipif(memory._trim() is None, reason="needs glibc's allocator")
def test_freed_memory_goes_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    full, freed, now = map(float, done.stdout.split())
    assert full - freed < 50, "the allocator keeps it"
    assert full - now > 150


def test_it_is_done_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    now = [1000.0]
    monkeypatch.setattr(memory, "_trim", lambda: calls.append)
    monkeypatch.setattr(memory, "_given_back_at", 0.0)
    monkeypatch.setattr(memory.time, "monotonic", lambda: now[0])
    for step in (0, 30, 29, 1, 60):
        now[0] += step
        memory.give_back(every=memory.EVERY)
    assert len(calls) == 3
    memory.give_back()
    assert len(calls) == 4


def test_systems_without_it_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: None) -> None:
        raise OSError

    monkeypatch.setattr(memory.ctypes, "CDLL", absent)
    memory._trim.cache_clear()
    try:
        memory.give_back()
    finally:
        memory._trim.cache_clear()
