"""Worker processes that cut records in parallel and commit each result.

Unlike the processes of a pool, a worker does not outlive a killed parent: it waits at a pipe whose other end only the
parent holds. If a worker crashes (a decoder on a broken file), only its record is lost, and reported. If a worker is
killed from outside, the run ends; the next run resumes.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from monitor.errors import EngineError, MonitorError, OutputError
from monitor.lab.datasets.face_cropper import CropRecipe, CropResult, FaceCropper
from monitor.lab.datasets.record import Record
from monitor.lab.datasets.resume_log import ResumeLog
from monitor.settings import Settings

_READY = "ready"
_KILLED = (-9, -15)  # exit codes of a killed process, most often out of memory
_Task = tuple[int, "Record"]


@dataclass(frozen=True, slots=True)
class WorkerJob:
    """Settings of a worker process."""

    recipe: CropRecipe
    settings: Settings
    journal: ResumeLog


def cut_all(tasks: Sequence[_Task], order: WorkerJob, *, jobs: int, on_done: Callable[[], None] = lambda: None) -> None:
    """Cut and commit every (number, record), in any order.

    Args:
        tasks: numbers and records.
        order: settings of the workers.
        jobs: number of single-threaded processes; 1: this process.
        on_done: called in this process after each record.

    Raises:
        EngineError: the detector cannot be built, or failed; or a process was killed.
        OutputError: a result cannot be written.
    """
    if not tasks:
        return
    cutter = FaceCropper(order.recipe, order.settings)  # builds the graphs in the cache before the workers start
    if jobs == 1:
        for number, record in tasks:
            order.journal.commit(number, cutter.cut(record))
            on_done()
        return
    del cutter
    with ExitStack() as stack:
        for _ in _cut_by(tasks, order, jobs=min(jobs, len(tasks)), stack=stack):
            on_done()


def _cut_by(tasks: Sequence[_Task], order: WorkerJob, *, jobs: int, stack: ExitStack) -> Iterator[int]:
    """Yields the numbers of finished tasks."""
    waiting = list(reversed(tasks))
    busy: dict[Connection, tuple[_Worker, _Task | None]] = {}
    for _ in range(jobs):
        worker = stack.enter_context(_Worker(order))
        busy[worker.connection] = worker, None
    while busy:
        for ready in wait(list(busy)):
            worker, task = busy.pop(ready)  # type: ignore[call-overload]
            try:
                said = worker.connection.recv()
            except (EOFError, ConnectionError):
                yield _buried(worker, task, order.journal)
                worker = stack.enter_context(_Worker(order))
                busy[worker.connection] = worker, None
                continue
            if isinstance(said, MonitorError):
                raise said
            if task is not None:
                yield task[0]
            if waiting:
                task = waiting.pop()
                with suppress(ConnectionError):  # it has just died; the next round handles it
                    worker.connection.send(task)
                busy[worker.connection] = worker, task


def _buried(worker: "_Worker", task: _Task | None, journal: ResumeLog) -> int:
    """Commit the crash of a process as the result of its record, and return the record's number.

    Raises:
        EngineError: it died without a record, or was killed from outside.
    """
    code = worker.exit_code()
    if task is None:
        raise EngineError(f"a process that should cut faces ended at once (exit code {code}); try --jobs 1")
    number, record = task
    if code in _KILLED:
        raise EngineError(
            f"a process was killed at {record.path} (out of memory?): run again to go on, with fewer --jobs"
        )
    journal.commit(number, CropResult(reason=f"the process that read it died (exit code {code})"))
    return number


class _Worker:
    """One process and the parent's end of its pipe; the process ends with the context."""

    def __init__(self, order: WorkerJob) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process: SpawnProcess = context.Process(target=_work, args=(theirs, order), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        self._process.terminate()
        self._process.join()

    def exit_code(self) -> int | None:
        """Exit code of the process after its pipe has closed."""
        self._process.join()
        return self._process.exitcode


def _work(connection: Connection, order: WorkerJob) -> None:
    """Body of a worker: report that the face detector is loaded, then cut records until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends the workers
    try:
        cutter = FaceCropper(order.recipe, order.settings)
        connection.send(_READY)
        while True:
            number, record = connection.recv()
            order.journal.commit(number, cutter.cut(record))
            connection.send(number)
    except (EngineError, OutputError) as error:
        connection.send(error)
    except (EOFError, ConnectionError):
        return
