import threading
import time

import pytest

from monitor.runtime import BackgroundWorker, run_parallel


def test_jobs_are_done_in_order_on_another_thread() -> None:
    done: list[tuple[int, str]] = []
    with BackgroundWorker("clerk") as worker:
        for number in range(20):
            worker.do(lambda number=number: done.append((number, threading.current_thread().name)))
        worker.wait()
        assert done == [(number, "clerk") for number in range(20)]


def test_queued_jobs_are_done_before_the_end() -> None:
    gate, done = threading.Event(), []
    worker = BackgroundWorker("clerk")
    worker.do(gate.wait)
    worker.do(lambda: done.append(1))
    gate.set()
    worker.close()
    assert done == [1]
    assert "clerk" not in {thread.name for thread in threading.enumerate()}


def test_a_failing_job_is_logged_and_the_next_one_runs(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    def fails() -> None:
        raise ValueError("no paper left")

    with BackgroundWorker("clerk") as worker:
        worker.do(fails)
        worker.do(lambda: done.append(1))
    assert done == [1]
    assert "no paper left" in caplog.text


def test_closing_waits_up_to_its_timeout() -> None:
    release = threading.Event()
    worker = BackgroundWorker("slow")
    worker.do(lambda: (release.wait(10), None)[1])
    began = time.monotonic()
    assert not worker.close(timeout=0.1)
    assert time.monotonic() - began < 2
    release.set()


def test_parallel_jobs_take_as_long_as_the_longest_and_hanging_ones_are_counted() -> None:
    release, done = threading.Event(), []

    def slow() -> None:
        time.sleep(0.2)
        done.append(1)

    began = time.monotonic()
    hanging = run_parallel([slow, slow, slow, lambda: (release.wait(10), None)[1]], timeout=1.0)
    assert (hanging, done) == (1, [1, 1, 1])
    assert time.monotonic() - began < 3
    release.set()


def test_the_number_of_waiting_jobs_is_known() -> None:
    release, begun = threading.Event(), threading.Event()

    def first() -> None:
        begun.set()
        release.wait(10)

    with BackgroundWorker("busy") as worker:
        worker.do(first)
        assert begun.wait(5)
        worker.do(lambda: None)
        assert worker.waiting == 1
        release.set()
