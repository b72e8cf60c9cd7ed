"""Functions for the worker process; its PYTHONPATH must name the folder of the tests."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from monitor.media import progress
from monitor.media.clip import Clip


def crash(source: Path) -> None:
    os.abort()


def hang(source: Path) -> None:
    progress.report()
    time.sleep(600)


def stop(source: Path) -> str:
    """Is not run for a while, as on a starved machine: ``source`` tells its process id to whoever wakes it."""
    progress.report()
    source.with_suffix(".pid").write_text(str(os.getpid()))
    os.kill(os.getpid(), signal.SIGSTOP)
    return "finished"


def loop(source: Path) -> None:
    progress.report()
    while True:
        pass


def exhaust(source: Path) -> None:
    np.empty(2**62, np.uint8)


def mistake(source: Path) -> None:
    raise RuntimeError(f"secret of {source}")


def lie(source: Path) -> Clip:
    return "no clip"  # type: ignore[return-value]


def pid(source: Path) -> int:
    return os.getpid()


def outlive(source: Path) -> None:
    """Writes its process id to ``source``, kills the process that started it, and works on."""
    source.write_text(str(os.getpid()))
    os.kill(os.getppid(), 9)
    while True:
        progress.report()
        time.sleep(0.05)
