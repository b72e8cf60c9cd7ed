"""A thread for jobs that must not delay the frames."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

_log = logging.getLogger(__name__)


class BackgroundWorker:
    """Runs jobs one after the other on its own thread; a failing job is logged, and the next one runs."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def do(self, job: Callable[[], None]) -> None:
        """Queue a job and return immediately."""
        self._jobs.put(job)

    def wait(self) -> None:
        """Wait until all jobs queued so far are done."""
        self._jobs.join()

    @property
    def waiting(self) -> int:
        """Number of queued jobs, without the running one."""
        return self._jobs.qsize()

    def close(self, *, timeout: float | None = None) -> bool:
        """Run the queued jobs, then end the thread.

        Args:
            timeout: seconds (wall clock) to wait for the end; None: no limit.

        Returns:
            Whether all jobs are done.
        """
        self._jobs.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception:  # noqa: BLE001 - logged with its traceback; the next job is independent
                _log.exception("a job in the background failed")
            finally:
                self._jobs.task_done()
        self._jobs.task_done()


def run_parallel(jobs: Sequence[Callable[[], None]], *, timeout: float) -> int:
    """Run all jobs in parallel, each on its own thread; a failing job is logged.

    Args:
        timeout: seconds (wall clock) to wait for all of them.

    Returns:
        Number of jobs not done in time; they continue to run.
    """
    workers = [BackgroundWorker("parallel job") for _ in jobs]
    for worker, job in zip(workers, jobs, strict=True):
        worker.do(job)
    deadline = time.monotonic() + timeout
    return sum(not worker.close(timeout=max(0.0, deadline - time.monotonic())) for worker in workers)
