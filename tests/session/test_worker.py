from __future__ import annotations

import threading

import pytest

from monitor.session import Worker


def test_jobs_are_done_in_order_on_another_thread() -> None:
    done: list[tuple[int, str]] = []
    with Worker("clerk") as worker:
        for number in range(20):
            worker.do(lambda number=number: done.append((number, threading.current_thread().name)))
        worker.wait()
        assert done == [(number, "clerk") for number in range(20)]


def test_what_is_queued_up_is_done_before_it_ends() -> None:
    gate, done = threading.Event(), []
    worker = Worker("clerk")
    worker.do(gate.wait)
    worker.do(lambda: done.append(1))
    gate.set()
    worker.close()
    assert done == [1]
    assert "clerk" not in {thread.name for thread in threading.enumerate()}


def test_a_job_that_fails_is_logged_and_ends_no_other(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    def fails() -> None:
        raise ValueError("no paper left")

    with Worker("clerk") as worker:
        worker.do(fails)
        worker.do(lambda: done.append(1))
    assert done == [1]
    assert "no paper left" in caplog.text
