"""A thread that repeats a job at its own pace, and at once when it is woken."""

import logging
import threading
from collections.abc import Callable
from typing import Final

_AFTER_FAILURE: Final = 1.0  # seconds (wall clock)

_log = logging.getLogger(__name__)


class PacedJob:
    """Repeats a job on its own thread; a failing job is logged and repeated after a second.

    >>> job = PacedJob("letters", lambda: 60.0)
    >>> job.start(); job.wake(); job.stop()
    True

    Args:
        job: returns the seconds (wall clock) until its next call; calls never overlap.
    """

    def __init__(self, name: str, job: Callable[[], float]) -> None:
        self._job = job
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread; the first call is immediate."""
        self._thread.start()

    def wake(self) -> None:
        """Call the job now, or again after the running call."""
        self._wake.set()

    @property
    def stopping(self) -> bool:
        """Whether ``stop`` was called: a long job should return."""
        return self._stop.is_set()

    def stop(self, *, timeout: float | None = None) -> bool:
        """Stop repeating, and wait for a running call.

        Args:
            timeout: seconds (wall clock); None: no limit.

        Returns:
            Whether the thread has ended, or never ran.
        """
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            if self._stop.is_set():
                break
            try:
                pause = self._job()
            except Exception:  # noqa: BLE001 - logged with its traceback; the next call is independent
                _log.exception("a repeated job failed")
                pause = _AFTER_FAILURE
            self._wake.wait(max(0.0, pause))
