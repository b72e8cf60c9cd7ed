"""Real processes that call a function."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support import clips, worker_tasks
from support.faults import descriptors

from monitor.errors import SourceNotFoundError, SourceUnavailableError, SourceUnreadableError
from monitor.media.span_cutter import cut
from monitor.media.worker import isolated_source, task
from monitor.media.worker.isolated_source import available
from monitor.media.worker.task import run_isolated
from monitor.settings import SourceSettings

pytestmark = pytest.mark.skipif(not available(), reason="this system cannot hand descriptors to a process")

SETTINGS = SourceSettings(max_pixels=1920 * 1080)
TESTS = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def tasks_can_be_imported_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")])))


def gone(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" in status.read_text()


def test_a_span_is_cut_as_in_this_process(tmp_path: Path) -> None:
    file = clips.video(tmp_path / "a:%03d*.mp4", frames=50, options={"g": "10"})
    before = descriptors()
    here = cut(file, tmp_path / "here.mp4", 0.8, 1.48)
    there = run_isolated(cut, file, tmp_path / "there.mp4", 0.8, 1.48, settings=SETTINGS)
    assert there == here
    assert (tmp_path / "there.mp4").read_bytes() == (tmp_path / "here.mp4").read_bytes()
    assert descriptors() <= before


def test_the_task_runs_in_another_process_if_settings_and_system_allow_it(monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path("a.mp4")
    other = run_isolated(worker_tasks.pid, file, settings=SETTINGS)
    assert other != os.getpid()
    assert gone(other)
    here = SETTINGS.model_copy(update={"isolate": False})
    assert run_isolated(worker_tasks.pid, file, settings=here) == os.getpid()
    monkeypatch.setattr(task, "available", lambda: False)
    assert run_isolated(worker_tasks.pid, file, settings=SETTINGS) == os.getpid()


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (worker_tasks.crash, r"a\.mp4: the process that reads it crashed \(SIGABRT\); is it damaged\?"),
        (worker_tasks.exhaust, r"a\.mp4: .* source\.memory_limit"),
        (worker_tasks.mistake, r"a\.mp4: reading it failed \(RuntimeError\); this should not happen"),
        (worker_tasks.lie, r"a\.mp4: the process that reads it sent an invalid message"),
    ],
)
def test_every_failure_of_the_process_is_one_sentence(function: Callable[[Path], object], sentence: str) -> None:
    before = descriptors()
    with pytest.raises(SourceUnreadableError, match=sentence) as caught:
        run_isolated(function, Path("a.mp4"), settings=SETTINGS)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert descriptors() <= before


def test_errors_keep_their_class_and_message(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="does not exist"):
        run_isolated(cut, tmp_path / "none.mp4", tmp_path / "clip.mp4", 0.0, 1.0, settings=SETTINGS)


def test_a_function_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated_source, "_MARGIN", 0.1)
    settings = SETTINGS.model_copy(update={"hang_timeout": 0.3, "read_timeout": 0.1})
    with pytest.raises(SourceUnreadableError, match="sent nothing for 0 s and was ended"):
        run_isolated(worker_tasks.hang, Path("a.mp4"), settings=settings)


def test_a_function_that_loops_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated_source, "_MARGIN", 0.1)
    settings = SETTINGS.model_copy(update={"hang_timeout": 0.3, "read_timeout": 0.1})
    with pytest.raises(SourceUnreadableError, match="sent nothing for 0 s and was ended"):
        run_isolated(worker_tasks.loop, Path("a.mp4"), settings=settings)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the state of a process")
def test_a_process_that_the_machine_does_not_run_is_not_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stopped for three times the time-out, then goes on."""
    monkeypatch.setattr(isolated_source, "_MARGIN", 0.1)
    settings = SETTINGS.model_copy(update={"hang_timeout": 1.0, "read_timeout": 0.1})
    path = tmp_path / "a.mp4"

    def wake() -> None:
        while not (note := path.with_suffix(".pid")).exists() or not note.read_text():
            time.sleep(0.01)
        time.sleep(3.0)
        os.kill(int(note.read_text()), signal.SIGCONT)

    waking = threading.Thread(target=wake)
    waking.start()
    assert run_isolated(worker_tasks.stop, path, settings=settings) == "finished"
    waking.join()


def test_the_timeout_allows_a_slow_disk_to_write_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finishing a large mp4 is one call without a progress report."""
    waited: list[float] = []
    receive = isolated_source.CaptureProcess.receive
    monkeypatch.setattr(
        isolated_source.CaptureProcess,
        "receive",
        lambda self, timeout: waited.append(timeout) or receive(self, timeout),
    )
    large = tmp_path / "large.mp4"
    for size in (0, 1_000_000_000):
        with large.open("wb") as file:
            file.truncate(size)
        run_isolated(worker_tasks.pid, large, settings=SETTINGS)
    small, enough = waited
    assert enough - small == pytest.approx(100)


def test_a_failed_process_start_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    with pytest.raises(SourceUnavailableError, match="no process can be started"):
        run_isolated(worker_tasks.pid, Path("a.mp4"), settings=SETTINGS)


def test_a_script_without_a_main_guard_works(tmp_path: Path) -> None:
    file = clips.video(tmp_path / "a.mp4")
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from monitor.media.span_cutter import cut\n"
        "from monitor.media.worker.task import run_isolated\n"
        "from monitor.settings import SourceSettings\n"
        f"file = Path({str(file)!r})\n"
        "print(run_isolated(cut, file, file.with_name('clip.mp4'), 0.0, 0.4, settings=SourceSettings()).end)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == "0.4\n"


def test_a_killed_program_leaves_no_process(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from support import worker_tasks\n"
        "from monitor.media.worker.task import run_isolated; from monitor.settings import SourceSettings\n"
        "run_isolated(worker_tasks.outlive, Path(sys.argv[1]), settings=SourceSettings())"
    )
    pid_file = tmp_path / "pid"
    done = subprocess.run([sys.executable, "-c", script, str(pid_file)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr  # its pipes closed, so no process holds them
    pid, deadline = int(pid_file.read_text()), time.monotonic() + 10
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert gone(pid)
