"""Joins crops of several streams in one call, while the engine is busy or for a short wait.

It has no thread of its own: one waiting caller takes the crops of all, runs the engine and distributes the results. A
single call passes unchanged; without a configured ``wait``, a single stream has no extra latency.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from monitor.errors import EngineError
from monitor.types import Floats, Pixels

if TYPE_CHECKING:
    from monitor.inference.backends import Engine


@dataclass(slots=True, eq=False)
class _Call:
    engine: Engine
    crops: Pixels | Floats
    results: tuple[Floats, ...] = ()
    failure: BaseException | None = None
    done: bool = False

    def result(self) -> tuple[Floats, ...]:
        if self.failure is not None:
            raise EngineError(str(self.failure)) from self.failure
        return self.results


class DynamicBatcher:
    """Joins the calls of several threads.

    Args:
        wait: seconds (wall clock) that a call waits for others; 0: only while the engine is busy.
        largest: crops in one batch.
        concurrency: batches that run in parallel: one on a GPU, one per available core on a CPU.
    """

    def __init__(self, *, wait: float = 0.0, largest: int = 64, concurrency: int = 1) -> None:
        self._wait, self._largest, self._concurrency = wait, largest, concurrency
        self._changed = threading.Condition()
        self._waiting: deque[_Call] = deque()
        self._running = 0

    def of(self, engine: Engine) -> Engine:
        """Wrap an engine that several threads share."""
        return _BatchedEngine(engine, self)

    def run(self, engine: Engine, crops: Pixels | Floats) -> tuple[Floats, ...]:
        """Run ``engine`` on these crops, possibly in a batch with the crops of other threads.

        Raises:
            EngineError: the batch failed.
        """
        own = _Call(engine, crops)
        with self._changed:
            self._waiting.append(own)
            self._changed.notify_all()
            if not self._wait_turn(own):
                return own.result()
            batch = self._take_batch(own)
        try:
            _run(engine, batch)
        finally:
            with self._changed:
                for call in batch:
                    call.done = True  # also after a failure, so that no thread waits forever
                self._running -= 1
                self._changed.notify_all()
        return own.result()

    def _wait_turn(self, own: _Call) -> bool:
        """Wait until this call may run a batch; False if another thread has run it meanwhile."""
        deadline = time.monotonic() + self._wait
        while not own.done:
            left = deadline - time.monotonic()
            gathered = sum(len(call.crops) for call in self._waiting if call.engine is own.engine)
            ready = left <= 0 or gathered >= self._largest
            if own in self._waiting and self._running < self._concurrency and ready:
                self._running += 1
                return True
            self._changed.wait(left if left > 0 else None)
        return False

    def _take_batch(self, own: _Call) -> Sequence[_Call]:
        """This call plus waiting calls for the same engine, oldest first, up to one batch."""
        taken, crops = [own], len(own.crops)
        for call in self._waiting:
            if call is not own and call.engine is own.engine and crops + len(call.crops) <= self._largest:
                taken.append(call)
                crops += len(call.crops)
        for call in taken:
            self._waiting.remove(call)
        return taken


class _BatchedEngine:
    """An engine whose calls may be joined with those of other threads."""

    def __init__(self, engine: Engine, batches: DynamicBatcher) -> None:
        self.name = engine.name
        self._engine, self._batches = engine, batches

    def run(self, batch: Pixels | Floats) -> tuple[Floats, ...]:
        """See ``Engine.run``."""
        return self._batches.run(self._engine, batch)


def _run(engine: Engine, calls: Sequence[_Call]) -> None:
    """Run one batch for all calls; each call gets its results or the failure."""
    try:
        crops = calls[0].crops if len(calls) == 1 else np.concatenate([call.crops for call in calls])
        results = engine.run(crops)
        start = 0
        for call in calls:
            end = start + len(call.crops)
            call.results = tuple(result[start:end] for result in results)
            start = end
    except BaseException as error:
        for call in calls:
            call.failure = error
        if not isinstance(error, Exception):
            raise
