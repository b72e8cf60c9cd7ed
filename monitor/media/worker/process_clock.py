"""The time that another process had for its work: the clock of the time-outs between two processes.

On an overloaded machine a healthy process may say nothing for a minute, because it is not run. So seconds in which it
waits for a processor, for memory or for a disk do not count. Counted are the seconds in which it runs, which ends a
process that loops for ever, and the seconds in which it sleeps, which ends one that waits for ever.
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_HELD_UP: Final = frozenset("RDT")  # states of Linux: runnable or running, waiting for a disk or memory, stopped
_MAX_STEP: Final = 1.0  # seconds that count at most between two looks: this process may have been held up too
_PATIENCE: Final = 10.0  # seconds (wall clock) that count as one, in whatever state the process is


@dataclass(frozen=True, slots=True)
class ProcessActivity:
    """The processor time of a process so far, and its present state."""

    is_held_up: bool  # whether one of its threads would run if it could
    cpu_time: float  # seconds


class ProcessClock:
    """Counts the seconds that another process had for its work; a callable like ``time.monotonic``.

    Outside Linux it is the wall clock.

    Args:
        look: returns the activity of a process; None: it is not known.
    """

    def __init__(
        self,
        pid: int,
        *,
        look: Callable[[int], ProcessActivity | None] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pid, self._look, self._now = pid, look or process_activity, now
        self._looked_at = now()
        self._cpu_time = 0.0
        self._counted = 0.0

    def __call__(self) -> float:
        """Seconds that the process had since this clock began."""
        now, activity = self._now(), self._look(self._pid)
        elapsed, self._looked_at = now - self._looked_at, now
        if activity is None:
            self._counted += elapsed
            return self._counted
        worked, self._cpu_time = activity.cpu_time - self._cpu_time, activity.cpu_time
        had = min(worked, elapsed) if activity.is_held_up else min(elapsed, _MAX_STEP)
        self._counted += max(had, elapsed / _PATIENCE)
        return self._counted


def process_activity(pid: int) -> ProcessActivity | None:
    """The activity of a process from Linux's /proc; None: it is gone, or the system does not say."""
    if sys.platform != "linux":
        return None
    with suppress(OSError, ValueError, IndexError):
        state, cpu_time = _read(_PROC / str(pid) / "stat")
        threads = [state]
        for thread in (_PROC / str(pid) / "task").iterdir():
            with suppress(OSError):  # it has just ended
                threads.append(_read(thread / "stat")[0])
        return ProcessActivity(is_held_up=not _HELD_UP.isdisjoint(threads), cpu_time=cpu_time)
    return None


def _read(stat: Path) -> tuple[str, float]:
    """State and processor time, seconds, from proc_pid_stat(5)."""
    fields = stat.read_bytes().rpartition(b")")[2].split()
    return fields[0].decode("ascii"), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
