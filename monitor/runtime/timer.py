"""A thread that repeats a job."""

import logging
import threading
from collections.abc import Callable
from typing import Self

_log = logging.getLogger(__name__)


class Timer:
    """Runs a job immediately and after each interval, on its own thread; a failing job is logged.

    Args:
        job: the function to call; calls never overlap.
        every: seconds (wall clock) from the end of one call to the start of the next.
    """

    def __init__(self, name: str, job: Callable[[], object], *, every: float) -> None:
        self._job, self._every = job, every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, *, timeout: float | None = None) -> None:
        """Stop repeating, and wait for a running call.

        Args:
            timeout: seconds (wall clock) to wait; None: no limit.
        """
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._job()
            except Exception:  # noqa: BLE001 - logged with its traceback; the next call is independent
                _log.exception("a job on a timer failed")
            self._stop.wait(self._every)
