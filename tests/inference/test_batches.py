import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from support.waiting import until

from monitor.errors import EngineError
from monitor.inference.batches import DynamicBatcher
from monitor.types import Floats, Pixels


class Gate:
    """An engine that waits for a release: the mean of each crop, and its first pixel as a map."""

    name = "gate-fp32"

    def __init__(self, *, fails: bool = False) -> None:
        self.batches: list[Pixels] = []
        self.busy = 0
        self.most_busy = 0
        self.open = threading.Event()
        self._fails = fails
        self._lock = threading.Lock()

    def run(self, batch: Pixels) -> tuple[Floats, ...]:
        with self._lock:
            self.batches.append(batch)
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
        assert self.open.wait(20)
        with self._lock:
            self.busy -= 1
        if self._fails:
            raise EngineError("out of memory")
        return batch.mean((1, 2, 3), np.float32), batch[:, :1, :1, 0].astype(np.float32)


def crops(value: int, *, n: int = 1) -> Pixels:
    return np.full((n, 4, 4, 3), value, np.uint8)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def asked(threads: ThreadPoolExecutor, batches: DynamicBatcher, engine: Gate, *values: int) -> list[Future]:
    """Calls of one crop each; the first is in the engine, the others wait for it."""
    first = threads.submit(batches.of(engine).run, crops(values[0]))
    until(lambda: engine.batches, seconds=20)
    others = [threads.submit(batches.of(engine).run, crops(value)) for value in values[1:]]
    until(lambda: len(batches._waiting) == len(others), seconds=20)
    return [first, *others]


def test_a_single_call_passes_unchanged() -> None:
    engine, batch = Gate(), crops(3, n=2)
    engine.open.set()
    joined = DynamicBatcher().of(engine)
    means, maps = joined.run(batch)
    assert engine.batches[0] is batch
    assert means.tolist() == [3, 3]
    assert maps.shape == (2, 1, 1)
    assert joined.name == engine.name


def test_calls_that_wait_for_a_busy_engine_are_joined_and_each_gets_its_results(threads: ThreadPoolExecutor) -> None:
    engine, batches = Gate(), DynamicBatcher()
    calls = asked(threads, batches, engine, *range(10))
    engine.open.set()
    for value, call in enumerate(calls):
        means, maps = call.result(20)
        assert (means.tolist(), maps.tolist()) == ([value], [[[value]]])
    assert [len(batch) for batch in engine.batches] == [1, 9]


def test_a_batch_stays_within_its_limit(threads: ThreadPoolExecutor) -> None:
    engine, batches = Gate(), DynamicBatcher(largest=4)
    calls = asked(threads, batches, engine, *range(10))
    engine.open.set()
    assert [call.result(20)[0].item() for call in calls] == list(range(10))
    assert sorted(len(batch) for batch in engine.batches) == [1, 1, 4, 4]
    assert engine.most_busy == 1


def test_a_call_larger_than_the_limit_runs() -> None:
    engine = Gate()
    engine.open.set()
    assert len(DynamicBatcher(largest=2).run(engine, crops(1, n=5))[0]) == 5


def test_batches_run_in_parallel_up_to_the_limit(threads: ThreadPoolExecutor) -> None:
    engine, batches = Gate(), DynamicBatcher(concurrency=2)
    calls = [threads.submit(batches.run, engine, crops(value)) for value in range(6)]
    until(lambda: engine.busy == 2 and len(batches._waiting) == 4, seconds=20)
    engine.open.set()
    assert [call.result(20)[0].item() for call in calls] == list(range(6))
    assert engine.most_busy == 2


def test_a_failed_batch_fails_all_its_calls_and_the_next_runs(threads: ThreadPoolExecutor) -> None:
    engine, batches = Gate(fails=True), DynamicBatcher()
    calls = asked(threads, batches, engine, 1, 2, 3)
    engine.open.set()
    for call in calls:
        with pytest.raises(EngineError, match="out of memory"):
            call.result(20)
    sound = Gate()
    sound.open.set()
    assert batches.run(sound, crops(5))[0].item() == 5


def test_no_call_waits_forever_after_any_failure(threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, batches = Gate(), DynamicBatcher()
    calls = asked(threads, batches, engine, 1, 2, 3)
    monkeypatch.setattr(np, "concatenate", lambda *_: (_ for _ in ()).throw(MemoryError("no memory")))
    engine.open.set()
    assert calls[0].result(20)[0].item() == 1
    for call in calls[1:]:
        with pytest.raises(EngineError, match="no memory"):
            call.result(20)


def test_a_call_waits_for_others_up_to_the_limit(threads: ThreadPoolExecutor) -> None:
    engine = Gate()
    engine.open.set()
    batches = DynamicBatcher(wait=0.5, largest=3)
    calls = [threads.submit(batches.run, engine, crops(value)) for value in range(3)]
    assert [call.result(20)[0].item() for call in calls] == [0, 1, 2]
    assert [len(batch) for batch in engine.batches] == [3], "full before its time"
    alone = time.monotonic()
    batches.run(engine, crops(9))
    assert time.monotonic() - alone >= 0.5


def test_different_engines_are_never_joined(threads: ThreadPoolExecutor) -> None:
    """An engine that is replaced while calls wait for it finishes these calls."""
    old, new, batches = Gate(), Gate(), DynamicBatcher()
    calls = asked(threads, batches, old, 1, 2)
    later = threads.submit(batches.run, new, crops(3))
    until(lambda: len(batches._waiting) == 2, seconds=20)
    old.open.set()
    new.open.set()
    assert [call.result(20)[0].item() for call in (*calls, later)] == [1, 2, 3]
    assert [len(batch) for batch in (*old.batches, *new.batches)] == [1, 1, 1]
