"""One thread for what must not hold up the frames."""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)


class Worker:
    """Does jobs one after the other on a thread of its own; a job that fails is logged and ends no other.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def do(self, job: Callable[[], None]) -> None:
        """Queue a job up and return at once."""
        self._jobs.put(job)

    def wait(self) -> None:
        """Until all jobs queued up so far are done."""
        self._jobs.join()

    def close(self) -> None:
        """Do what is queued up, then end."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception:  # noqa: BLE001 - logged with its trace; the next job is none the worse
                _log.exception("a job in the background failed")
            finally:
                self._jobs.task_done()
        self._jobs.task_done()
