"""One thread that does a job now and then."""

import logging
import threading
from collections.abc import Callable
from typing import Self

_log = logging.getLogger(__name__)


class Timer:
    """Does a job at once, and again after each pause, on a thread of its own; a job that fails is logged.

    Args:
        name: of the thread.
        job: what is to be done; two never run at a time.
        every: seconds (wall clock) from the end of one to the beginning of the next.
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
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no more, and wait for a job under way."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._job()
            except Exception:  # noqa: BLE001 - logged with its trace; the next one is none the worse
                _log.exception("a job on a timer failed")
            self._stop.wait(self._every)
