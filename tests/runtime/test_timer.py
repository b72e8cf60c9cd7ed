import threading
import time

import pytest

from monitor.runtime import Timer


def test_the_job_runs_immediately_and_repeatedly() -> None:
    done = threading.Semaphore(0)
    began = time.monotonic()
    with Timer("t", done.release, every=0.05):
        for _ in range(3):
            assert done.acquire(timeout=5)
    assert time.monotonic() - began >= 0.1


def test_a_failing_job_is_logged_and_repeated(caplog: pytest.LogCaptureFixture) -> None:
    times = []
    twice = threading.Event()

    def job() -> None:
        times.append(1)
        if len(times) > 1:
            twice.set()
        raise ValueError("no")

    with Timer("t", job, every=0.01):
        assert twice.wait(5)
    assert "a job on a timer failed" in caplog.text


def test_stopping_waits_for_a_running_job() -> None:
    release, done = threading.Event(), []
    timer = Timer("t", lambda: done.append(release.wait(10)), every=60)
    timer.start()
    threading.Timer(0.1, release.set).start()
    timer.stop()
    assert done == [True]


def test_stopping_waits_no_longer_than_it_may() -> None:
    release = threading.Event()
    timer = Timer("t", lambda: release.wait(10), every=60)
    timer.start()
    began = time.monotonic()
    timer.stop(timeout=0.1)
    assert time.monotonic() - began < 5
    release.set()
    timer.stop()


def test_a_timer_that_never_started_can_be_stopped() -> None:
    Timer("t", lambda: None, every=60).stop()
