import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from support.small_networks import SIDE, small_classifier

from monitor.errors import EngineError
from monitor.inference.batch_buckets import BUCKETS, BucketEngine, bucket_of, first_line, pieces
from monitor.types import Floats


class SumRunner:
    """Returns the sum of each row; logs batch sizes and the order in which results are fetched."""

    def __init__(self, bucket: int, log: list[str], fails: Callable[[int], str | None] = lambda _: None) -> None:
        self.bucket, self.log, self.fails = bucket, log, fails

    def start(self, rows: Any) -> Callable[[], tuple[Floats, ...]]:
        assert 1 <= len(rows) <= self.bucket
        if why := self.fails(self.bucket):
            raise RuntimeError(why)
        self.log.append(f"start {len(rows)} of {self.bucket}")
        found = rows.reshape(len(rows), -1).sum(1).astype(np.float32)

        def finish() -> tuple[Floats, ...]:
            self.log.append(f"finish {len(rows)}")
            return (found,)

        return finish


def engine(
    log: list[str],
    *,
    fails: Callable[[int], str | None] = lambda _: None,
    opens: Callable[[int], None] = lambda _: None,
) -> BucketEngine:
    def open_runner(bucket: int) -> SumRunner:
        opens(bucket)
        return SumRunner(bucket, log, fails)

    return BucketEngine(
        "runners-fp32", network=small_classifier(), open_runner=open_runner, release=lambda: log.append("free")
    )


def crops(count: int) -> Any:
    return np.random.default_rng(count).integers(0, 255, (count, SIDE, SIDE, 3), np.uint8)


@pytest.mark.parametrize(("count", "bucket"), [(1, 1), (2, 2), (3, 4), (5, 8), (9, 16), (17, 32), (33, 64), (64, 64)])
def test_a_batch_uses_the_smallest_bucket_that_holds_it(count: int, bucket: int) -> None:
    assert bucket_of(count) == bucket
    log: list[str] = []
    engine(log).run(crops(count))
    assert log == [f"start {count} of {bucket}", f"finish {count}"]


def test_larger_batches_are_split_and_the_next_piece_starts_before_the_last_is_fetched() -> None:
    assert list(pieces(130, 64)) == [slice(0, 64), slice(64, 128), slice(128, 130)]
    log: list[str] = []
    batch = crops(130)
    (found,) = engine(log).run(batch)
    np.testing.assert_array_equal(found, batch.reshape(130, -1).sum(1).astype(np.float32))
    assert log == ["start 64 of 64", "start 64 of 64", "finish 64", "start 2 of 2", "finish 64", "finish 2"]


def test_a_runner_is_opened_once() -> None:
    opened: list[int] = []
    running = engine([], opens=opened.append)
    running.open(1)
    for count in (1, 3, 4, 1, 64, 70):
        running.run(crops(count))
    assert opened == [1, 4, 64, 8]


def test_out_of_memory_means_smaller_batches_from_then_on(caplog: pytest.LogCaptureFixture) -> None:
    log: list[str] = []

    def fails(bucket: int) -> str | None:
        return "CUDA out of memory. Tried to allocate 2 GiB" if bucket > 8 else None

    running, batch = engine(log, fails=fails), crops(20)
    with caplog.at_level(logging.WARNING):
        (found,) = running.run(batch)
    np.testing.assert_array_equal(found, batch.reshape(20, -1).sum(1).astype(np.float32))
    assert [line for line in log if line.startswith("start")] == ["start 8 of 8", "start 8 of 8", "start 4 of 4"]
    assert log.count("free") == 2  # after 32 and after 16
    assert "the GPU has no memory for 32 rows of small-32: at most 16 at a time from now on" in caplog.text
    caplog.clear()
    running.run(batch)
    assert caplog.text == ""
    assert log.count("free") == 2


def test_a_bucket_without_memory_for_its_runner_is_dropped() -> None:
    def opens(bucket: int) -> None:
        if bucket > 2:
            raise RuntimeError("TensorRT: Out of memory")

    log: list[str] = []
    (found,) = engine(log, opens=opens).run(crops(4))
    assert len(found) == 4
    assert [line for line in log if line.startswith("start")] == ["start 2 of 2"] * 2


def test_a_runner_is_not_freed_while_it_computes() -> None:
    log: list[str] = []

    def opens(bucket: int) -> None:
        if bucket == 2:
            raise RuntimeError("CUDA out of memory.")

    engine(log, opens=opens).run(crops(66))
    assert log[:3] == ["start 64 of 64", "finish 64", "free"]  # the first piece ends before memory is released


def test_no_memory_for_one_row_is_an_engine_error_and_the_next_call_tries_again() -> None:
    full = [True]

    def fails(bucket: int) -> str | None:
        return "CUDA out of memory.\nmore" if full[0] else None

    running = engine([], fails=fails)
    with pytest.raises(EngineError, match=r"no memory left to run small-32 even on one row: .*backend=onnxruntime"):
        running.run(crops(2))
    full[0] = False
    assert len(running.run(crops(3))[0]) == 3


def test_one_row_is_retried_after_unused_memory_was_released() -> None:
    answers = iter(["CUDA out of memory.", None, None])
    log: list[str] = []
    running = engine(log, fails=lambda _: next(answers))
    assert len(running.run(crops(1))[0]) == 1
    assert log == ["free", "start 1 of 1", "finish 1"]


def test_any_other_failure_names_engine_network_and_shape() -> None:
    running = engine([], fails=lambda _: "an illegal memory access was encountered")
    with pytest.raises(
        EngineError, match=r"runners-fp32 failed on small-32 with a batch of shape \(2, 32, 32, 3\): an ill"
    ):
        running.run(crops(2))


@pytest.mark.parametrize("error", [OSError("the engine's file is gone"), AssertionError("the engine's file is gone")])
def test_every_error_while_opening_a_runner_becomes_an_engine_error(error: Exception) -> None:
    def opens(bucket: int) -> None:
        raise error

    with pytest.raises(EngineError, match=r"runners-fp32 failed on small-32 .*: the engine's file is gone"):
        engine([], opens=opens).run(crops(2))


@pytest.mark.parametrize(
    ("error", "line"), [(ValueError("one\ntwo"), "one"), (ValueError(), "ValueError"), (ValueError("\n"), "ValueError")]
)
def test_an_error_is_reported_in_one_line_even_without_a_message(error: Exception, line: str) -> None:
    assert first_line(error) == line


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((2, SIDE, SIDE, 3), np.float32),
        np.zeros((2, 3, SIDE, SIDE), np.uint8),
        np.zeros((2, SIDE, SIDE - 1, 3), np.uint8),
        np.zeros((0, SIDE, SIDE, 3), np.uint8),
        np.zeros((SIDE, SIDE, 3), np.uint8),
    ],
    ids=["type", "layout", "size", "empty", "rank"],
)
def test_an_invalid_batch_is_refused_before_the_upload(batch: Any) -> None:
    log: list[str] = []
    with pytest.raises(EngineError, match="runs small-32 on any x 32 x 32 x 3 of uint8, not on a batch"):
        engine(log).run(batch)
    assert log == []


def test_calls_of_several_threads_run_one_at_a_time() -> None:
    log: list[str] = []
    running = engine(log)
    batches = [crops(1 + i % 70) for i in range(200)]
    with ThreadPoolExecutor(4) as pool:
        for (found,), batch in zip(pool.map(running.run, batches), batches, strict=True):
            np.testing.assert_array_equal(found, batch.reshape(len(batch), -1).sum(1).astype(np.float32))


def test_the_bucket_sizes_double() -> None:
    assert tuple(2**i for i in range(7)) == BUCKETS
