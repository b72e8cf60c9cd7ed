import threading
import time

import pytest

from monitor.runtime import PacedJob


def test_the_job_names_the_pause_before_its_next_call() -> None:
    pauses, times = iter([0.0, 0.2, 60.0]), []
    done = threading.Event()

    def job() -> float:
        times.append(time.monotonic())
        if len(times) == 3:
            done.set()
        return next(pauses)

    paced = PacedJob("j", job)
    paced.start()
    assert done.wait(10)
    assert paced.stop()
    assert times[2] - times[1] >= 0.2


def test_waking_calls_the_job_at_once_and_is_not_lost_during_a_call() -> None:
    calls, began, go = threading.Semaphore(0), threading.Event(), threading.Event()

    def job() -> float:
        calls.release()
        began.set()
        go.wait(10)
        return 600.0

    paced = PacedJob("j", job)
    paced.start()
    assert began.wait(10)
    paced.wake()
    go.set()
    assert calls.acquire(timeout=10)
    assert calls.acquire(timeout=10), "woken during the first call"
    paced.wake()
    assert calls.acquire(timeout=10)
    assert paced.stop(timeout=10)


def test_a_failing_job_is_logged_and_repeated(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.runtime.paced_job._AFTER_FAILURE", 0.01)
    twice, times = threading.Event(), []

    def job() -> float:
        times.append(1)
        if len(times) > 1:
            twice.set()
        raise ValueError("no")

    paced = PacedJob("j", job)
    paced.start()
    assert twice.wait(10)
    assert paced.stop()
    assert "a repeated job failed" in caplog.text


def test_stopping_waits_for_a_running_call_up_to_its_limit() -> None:
    began, go = threading.Event(), threading.Event()

    def job() -> float:
        began.set()
        go.wait(10)
        return 600.0

    paced = PacedJob("j", job)
    paced.start()
    assert began.wait(10)
    assert not paced.stop(timeout=0.01)
    assert paced.stopping
    go.set()
    assert paced.stop()


def test_a_job_that_never_started_can_be_stopped() -> None:
    assert PacedJob("j", lambda: 1.0).stop()
