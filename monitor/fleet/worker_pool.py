"""Gives files to actors, one at a time; Ray places the actors, and restarts those that die."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

from monitor.errors import ClusterError, MonitorError
from monitor.fleet.archive_sources import ArchiveSource
from monitor.fleet.archive_worker import ArchiveWorker, BatchPlan, WorkerReport
from monitor.fleet.cluster import living_nodes
from monitor.fleet.file_outcome import FileOutcome, Recipe

_POLL: Final = 1.0  # seconds (wall clock) between two looks at the cluster while no file is done
_GROW_INTERVAL: Final = 5.0  # seconds (wall clock) between two looks for new nodes
_PATIENCE: Final = 60.0  # seconds (wall clock) without a worker after which the person is told
MAX_LOSSES: Final = 2  # workers that a file may take with it
NODE_DEATH_TIME: Final = 15.0  # seconds (wall clock) after which Ray surely knows that a node is dead


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How many workers there are, and what each one takes."""

    workers: int | None = None  # default: as many as the nodes have slots
    gpu_share: float = 0.0  # of a GPU, for each worker
    node_death_time: float = NODE_DEATH_TIME


@dataclass(slots=True, eq=False)
class _Job:
    """A file, and the nodes on which workers died with it."""

    source: ArchiveSource
    losses: list[str] = field(default_factory=list)
    judged_at: float = 0.0  # monotonic time of the decision whether the file or its nodes are to blame


@dataclass(slots=True, eq=False)
class _PooledWorker:
    """An actor, and what it does now."""

    actor: Any
    report: WorkerReport | None = None  # None: it is starting
    job: _Job | None = None


class WorkerPool:
    """Runs ``ArchiveWorker`` on all slots of the cluster; grows when nodes come.

    A worker that dies gives its file back. A file with which ``MAX_LOSSES`` workers died on living nodes has failed.

    Args:
        ray: the module, connected.
        warn: receives a sentence about a worker or a node that cannot work.
    """

    def __init__(
        self,
        ray: ModuleType,
        plan: BatchPlan,
        settings: PoolSettings,
        *,
        warn: Callable[[str], None],
    ) -> None:
        self._ray, self._plan, self._settings, self._warn = ray, plan, settings, warn
        ray.method(max_task_retries=-1)(ArchiveWorker.check)  # asked again after each restart
        self._actor_class = ray.remote(ArchiveWorker)
        self._workers: list[_PooledWorker] = []
        self._calls: dict[Any, _PooledWorker] = {}  # running calls, by Ray's reference of their results
        self._jobs: deque[_Job] = deque()
        self._suspects: list[_Job] = []
        self._refusals: list[str] = []
        self._recipe: Recipe | None = None
        self._grown_at = -_GROW_INTERVAL
        self._limit = 0

    def run(
        self, sources: Sequence[ArchiveSource], *, undone: Callable[[Recipe], Sequence[ArchiveSource]]
    ) -> Iterator[FileOutcome]:
        """Yields the outcome of each file, in the order in which they are done.

        Args:
            sources: all files.
            undone: called once, with the recipe of the first worker; returns the files that are to be analysed.

        Raises:
            ClusterError: no worker can work.
        """
        self._limit = len(sources)
        started = time.monotonic()
        while self._recipe is None or self._jobs or self._suspects or self._running:
            self._grow()
            yield from self._judge_suspects()
            for reference in self._wait():
                yield from self._finish(reference, undone)
            self._hand_out()
            if self._recipe is None and started is not None and time.monotonic() - started > _PATIENCE:
                self._warn("no worker has started for a minute: does the cluster have a free CPU slot? Still waiting.")
                started = time.monotonic()

    def close(self) -> None:
        """Ends all workers; a file in progress has no result."""
        for worker in self._workers:
            self._end(worker)
        self._workers.clear()
        self._calls.clear()

    @property
    def _running(self) -> bool:
        return any(worker.job is not None for worker in self._workers)

    def _grow(self) -> None:
        """Starts a worker for each free slot, also of nodes that came meanwhile."""
        if time.monotonic() - self._grown_at < _GROW_INTERVAL:
            return
        self._grown_at = time.monotonic()
        share = self._settings.gpu_share
        nodes = living_nodes().values()
        slots = sum(int(node.gpus / share + 1e-6) if share else int(node.cpus) for node in nodes)
        wanted = min(self._settings.workers or slots, self._limit)
        for _ in range(wanted - len(self._workers) - len(self._refusals)):
            actor = self._actor_class.options(
                num_cpus=1, num_gpus=share, max_restarts=-1, scheduling_strategy="SPREAD"
            ).remote(self._plan)
            worker = _PooledWorker(actor)
            self._workers.append(worker)
            self._calls[actor.check.remote()] = worker

    def _wait(self) -> list[Any]:
        if not self._calls:
            time.sleep(_POLL)
            return []
        ready, _ = self._ray.wait(list(self._calls), num_returns=1, timeout=_POLL)
        return list(ready)

    def _finish(
        self,
        reference: Any,  # noqa: ANN401 - an ObjectRef, or a ClientObjectRef
        undone: Callable[[Recipe], Sequence[ArchiveSource]],
    ) -> Iterator[FileOutcome]:
        """Handles the end of a call: a checked worker, an outcome, or a worker that died."""
        worker = self._calls.pop(reference)
        try:
            result = self._ray.get(reference)
        except self._ray.exceptions.RayActorError as error:
            self._lose(worker, error)
            return
        except self._ray.exceptions.RayTaskError as error:
            result = MonitorError(f"internal error: {error.cause!r}; please report it")
        if isinstance(result, WorkerReport):
            self._check(worker, result, undone)
        elif worker.job is not None:
            source, worker.job = worker.job.source, None
            yield result if isinstance(result, FileOutcome) else FileOutcome.failed(source, result)
        else:
            self._refuse(worker, str(result))

    def _check(
        self, worker: _PooledWorker, report: WorkerReport, undone: Callable[[Recipe], Sequence[ArchiveSource]]
    ) -> None:
        """Accepts a worker that would give the same results as the others."""
        if report.recipe is None:
            self._refuse(worker, report.refusal or f"{report.node} cannot work")
            return
        if self._recipe is None:
            self._recipe = report.recipe
            self._jobs.extend(_Job(source) for source in undone(report.recipe))
        if report.recipe != self._recipe:
            self._refuse(worker, f"{report.node} has other weights than the other nodes: install the same on each node")
            return
        worker.report = report

    def _refuse(self, worker: _PooledWorker, why: str) -> None:
        self._workers.remove(worker)
        self._end(worker)
        if why not in self._refusals:
            self._warn(f"not used: {why}")
        self._refusals.append(why)
        if not self._workers:
            raise ClusterError(why)

    def _lose(self, worker: _PooledWorker, error: Exception) -> None:
        """Takes the file back from a worker that died, and waits until Ray has started the worker again."""
        job, report = worker.job, worker.report
        if job is None:  # it died before its first file, and Ray does not start it again
            self._refuse(
                worker, f"a worker cannot start: is deepfake-monitor installed on each node? ({_reason(error)})"
            )
            return
        worker.job = worker.report = None
        self._calls[worker.actor.check.remote()] = worker
        job.losses.append("" if report is None else report.node_id)
        if len(job.losses) < MAX_LOSSES:
            self._jobs.appendleft(job)
        else:
            job.judged_at = time.monotonic() + self._settings.node_death_time
            self._suspects.append(job)

    def _judge_suspects(self) -> Iterator[FileOutcome]:
        """Fails the files with which workers died on nodes that live; the others are tried again."""
        due = [job for job in self._suspects if time.monotonic() >= job.judged_at]
        if not due:
            return
        living = living_nodes()
        for job in due:
            self._suspects.remove(job)
            job.losses = [node for node in job.losses if node in living]
            if len(job.losses) < MAX_LOSSES:
                self._jobs.appendleft(job)
                continue
            error = MonitorError(
                f"{job.source.name}: {len(job.losses)} workers died while they analysed it, so it is left out; is it "
                "damaged, or is memory short? Try it alone with `deepfake-monitor analyze`"
            )
            yield FileOutcome.failed(job.source, error)

    def _hand_out(self) -> None:
        """Gives each free worker the next file."""
        for worker in self._workers:
            if self._jobs and worker.report is not None and worker.job is None:
                worker.job = self._jobs.popleft()
                self._calls[worker.actor.analyse.remote(worker.job.source)] = worker

    def _end(self, worker: _PooledWorker) -> None:
        with suppress(Exception):  # it is dead already, or the cluster is
            self._ray.kill(worker.actor)


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__
