"""The seconds that another process had for its work, with invented and with real processes."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from monitor.media.worker.ipc_channel import IpcChannel
from monitor.media.worker.process_clock import ProcessActivity, ProcessClock, process_activity

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the state of a process")


def counted(*steps: tuple[float, ProcessActivity | None]) -> float:
    """Seconds counted after looks at these wall times, with what the process did up to then."""
    moments: Iterator[float] = iter([0.0, *(at for at, _ in steps)])
    looks = iter(activity for _, activity in steps)
    clock = ProcessClock(1, look=lambda _: next(looks), now=lambda: next(moments))
    return [clock() for _ in steps][-1]


def held_up(cpu_time: float) -> ProcessActivity:
    return ProcessActivity(is_held_up=True, cpu_time=cpu_time)


def asleep(cpu_time: float = 0.0) -> ProcessActivity:
    return ProcessActivity(is_held_up=False, cpu_time=cpu_time)


def test_a_starved_process_has_only_its_processor_time() -> None:
    assert counted((10.0, held_up(2.0)), (20.0, held_up(4.5))) == pytest.approx(4.5)


def test_a_process_that_loops_has_all_the_time() -> None:
    assert counted((1.0, held_up(1.0)), (2.0, held_up(2.0))) == pytest.approx(2.0)
    assert counted((1.0, held_up(4.0))) == pytest.approx(1.0), "however many processors it keeps busy"


def test_a_process_that_sleeps_has_all_the_time() -> None:
    assert counted(*((0.25 * step, asleep()) for step in range(1, 41))) == pytest.approx(10.0)


def test_a_pause_of_the_process_that_waits_does_not_count() -> None:
    assert counted((0.5, asleep()), (8.5, asleep()), (9.0, asleep())) == pytest.approx(2.0)


def test_nothing_is_held_up_for_ever() -> None:
    assert counted(*((step, held_up(0.0)) for step in range(1, 401))) == pytest.approx(40.0)


def test_the_wall_clock_counts_where_nothing_is_known() -> None:
    assert counted((7.0, None), (9.0, None)) == pytest.approx(9.0)


@linux
def test_the_states_of_a_real_process_are_read() -> None:
    program = "import time; sum(range(10**7)); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            while (activity := process_activity(process.pid)) is None or activity.is_held_up:
                time.sleep(0.01)
            os.kill(process.pid, signal.SIGSTOP)
            while not (stopped := process_activity(process.pid)) or not stopped.is_held_up:
                time.sleep(0.01)
            assert stopped.cpu_time >= activity.cpu_time > 0
        finally:
            process.kill()
    assert process_activity(process.pid) is None
    mine = process_activity(os.getpid())
    assert mine is not None
    assert mine.is_held_up, "it runs"


def test_a_message_is_waited_for_as_long_as_the_clock_says() -> None:
    one, other = socket.socketpair()
    waiting, sending = IpcChannel(one, clock=lambda: 0.0), IpcChannel(other)
    late = threading.Timer(1.2, sending.send, [{"late": True}])
    late.start()
    assert waiting.receive(0.5) == ({"late": True}, b"")
    late.join()
    waiting.clock = time.monotonic
    with pytest.raises(TimeoutError):
        waiting.receive(0.1)
    waiting.close()
    sending.close()
