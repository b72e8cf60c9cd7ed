"""Crops of several streams in one call: those that wait anyway while the engine is busy, or for a short while.

No thread of its own: of the callers that wait, one takes the crops of all, runs the engine and hands out the results.
A call alone is passed on as it is; unless calls are to wait for others (``wait``), a single stream notices nothing.
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

    def answer(self) -> tuple[Floats, ...]:
        if self.failure is not None:
            raise EngineError(str(self.failure)) from self.failure
        return self.results


class DynamicBatcher:
    """Joins the calls of several threads.

    Args:
        wait: seconds (wall clock) that a call may wait for others; 0: only while the engine is busy.
        largest: crops in one batch.
        at_once: batches that run side by side: one on a GPU, on a CPU as many as there are cores for.
    """

    def __init__(self, *, wait: float = 0.0, largest: int = 64, at_once: int = 1) -> None:
        self._wait, self._largest, self._at_once = wait, largest, at_once
        self._changed = threading.Condition()
        self._waiting: deque[_Call] = deque()
        self._running = 0

    def of(self, engine: Engine) -> Engine:
        """The engine, for one of several threads that share it."""
        return _Joined(engine, self)

    def run(self, engine: Engine, crops: Pixels | Floats) -> tuple[Floats, ...]:
        """What ``engine.run(crops)`` gives, perhaps in a batch with the crops of other threads.

        Raises:
            EngineError: the batch failed.
        """
        mine = _Call(engine, crops)
        with self._changed:
            self._waiting.append(mine)
            self._changed.notify_all()
            if not self._leads(mine):
                return mine.answer()
            batch = self._with_others(mine)
        try:
            _run(engine, batch)
        finally:
            with self._changed:
                for call in batch:
                    call.done = True  # whatever happened: nobody waits for it any more
                self._running -= 1
                self._changed.notify_all()
        return mine.answer()

    def _leads(self, mine: _Call) -> bool:
        """Wait until it is this call's turn to run a batch; False if another thread has run it meanwhile."""
        deadline = time.monotonic() + self._wait
        while not mine.done:
            left = deadline - time.monotonic()
            gathered = sum(len(call.crops) for call in self._waiting if call.engine is mine.engine)
            ready = left <= 0 or gathered >= self._largest
            if mine in self._waiting and self._running < self._at_once and ready:
                self._running += 1
                return True
            self._changed.wait(left if left > 0 else None)
        return False

    def _with_others(self, mine: _Call) -> Sequence[_Call]:
        """This call, and as many of those that wait for the same engine as one batch holds, the oldest first."""
        taken, crops = [mine], len(mine.crops)
        for call in self._waiting:
            if call is not mine and call.engine is mine.engine and crops + len(call.crops) <= self._largest:
                taken.append(call)
                crops += len(call.crops)
        for call in taken:
            self._waiting.remove(call)
        return taken


class _Joined:
    """An engine whose calls may be joined with those of other threads."""

    def __init__(self, engine: Engine, batches: DynamicBatcher) -> None:
        self.name = engine.name
        self._engine, self._batches = engine, batches

    def run(self, batch: Pixels | Floats) -> tuple[Floats, ...]:
        """See ``Engine.run``."""
        return self._batches.run(self._engine, batch)


def _run(engine: Engine, calls: Sequence[_Call]) -> None:
    """One call of the engine for all; a failure is everybody's."""
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
