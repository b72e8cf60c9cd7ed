"""One thread for what must not hold up the frames."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

_log = logging.getLogger(__name__)


class BackgroundWorker:
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

    @property
    def waiting(self) -> int:
        """How many jobs are queued up, the one under way not among them."""
        return self._jobs.qsize()

    def close(self, *, patience: float | None = None) -> bool:
        """Do what is queued up, then end.

        Args:
            patience: seconds (wall clock) to wait for that at most.

        Returns:
            Whether all is done.
        """
        self._jobs.put(None)
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception:  # noqa: BLE001 - logged with its trace; the next job is none the worse
                _log.exception("a job in the background failed")
            finally:
                self._jobs.task_done()
        self._jobs.task_done()


def side_by_side(jobs: Sequence[Callable[[], None]], *, patience: float) -> int:
    """Do all jobs at once, each on a thread of its own; one that fails is logged.

    Args:
        jobs: what is to be done.
        patience: seconds (wall clock) to wait for all of them.

    Returns:
        How many were not done in time; they go on.
    """
    workers = [BackgroundWorker("side by side") for _ in jobs]
    for worker, job in zip(workers, jobs, strict=True):
        worker.do(job)
    deadline = time.monotonic() + patience
    return sum(not worker.close(patience=max(0.0, deadline - time.monotonic())) for worker in workers)
