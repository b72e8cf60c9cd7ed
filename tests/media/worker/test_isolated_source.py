"""Real processes, killed, stopped and starved."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import clips, rtsp_server

from monitor.errors import (
    SourceError,
    SourceNotFoundError,
    SourceRefusedError,
    SourceUnavailableError,
    SourceUnreadableError,
    UsageError,
)
from monitor.media import worker
from monitor.media.packets import CompressedPacket, PacketStream
from monitor.media.sources import open_isolated, open_source
from monitor.media.worker.isolated_source import IsolatedSource, available
from monitor.settings import SourceSettings

pytestmark = pytest.mark.skipif(not available(), reason="this system cannot hand descriptors to a process")

SMALL = SourceSettings(max_pixels=1920 * 1080)


def opened(url: str | Path, settings: SourceSettings = SMALL) -> IsolatedSource:
    source = open_isolated(url, settings)
    assert isinstance(source, IsolatedSource)
    return source


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 0


def gone(pid: int) -> bool:
    """Whether a process that is not a child of this one ends within some seconds."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return True
        time.sleep(0.05)
    return False


def test_an_isolated_source_gives_the_same_frames(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mkv", frames=30)
    before = descriptors()
    with open_source(path) as plain, opened(path) as isolated:
        assert isolated.info == plain.info
        for one, other in zip(plain, isolated, strict=True):
            assert np.array_equal(one.pixels, other.pixels)
            assert (one.index, one.media_time, one.source) == (other.index, other.media_time, other.source)
            assert other.captured_at.tzinfo is not None
        assert isolated.drops == plain.drops == {}
        pid = isolated.process.pid
    assert gone(pid)
    assert descriptors() == before


def test_drops_are_the_same_as_in_this_process(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mp4", frames=50, options={"g": "10"})
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = os.urandom(400)
    path.write_bytes(content)
    with open_source(path) as plain, opened(path) as isolated:
        assert len(list(plain)) == len(list(isolated))
        assert plain.drops == isolated.drops != {}


def test_disordered_time_stamps_are_counted_with_the_same_frames(tmp_path: Path) -> None:
    with opened(clips.joined(tmp_path / "a.ts", frames=10)) as source:
        assert [source.disordered for _ in source] == [0] * 10 + [1] * 10


def test_a_source_can_be_closed_immediately(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = opened(clips.video(tmp_path / "a.mkv"))
    source.close()
    assert gone(source.process.pid)
    assert capfd.readouterr().err == ""


class Listening:
    def __init__(self) -> None:
        self.received: list[Any] = []

    def begin(self, stream: PacketStream) -> bool:
        self.received.append(stream)
        return True

    def packet(self, packet: CompressedPacket) -> None:
        self.received.append(packet)

    def picture(self, *, pts: int | None, media_time: float) -> None:
        self.received.append((pts, media_time))


def test_packets_are_the_same_as_in_this_process(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mkv", options={"bf": "3", "b_strategy": "0"})
    here, there = Listening(), Listening()
    with open_source(path) as plain, opened(path) as isolated:
        assert plain.tap(here)
        assert isolated.tap(there)
        list(plain)
        list(isolated)
        assert not isolated.tap(Listening()), "it is too late"
    assert there.received == here.received


@pytest.mark.parametrize(
    ("number", "sentence"),
    [(signal.SIGKILL, r"was killed \(SIGKILL\); was memory short"), (signal.SIGSEGV, r"crashed \(SIGSEGV\)")],
)
def test_a_process_that_dies_is_a_source_error(tmp_path: Path, number: signal.Signals, sentence: str) -> None:
    path = clips.video(tmp_path / "a.mkv", frames=50)
    before = descriptors()
    with opened(path) as source:
        frames = iter(source)
        next(frames)
        os.kill(source.process.pid, number)
        with pytest.raises(SourceUnreadableError, match=sentence):
            list(frames)
    assert descriptors() == before


def test_a_process_that_dies_while_opening_is_a_source_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    before = descriptors()
    with pytest.raises(SourceUnreadableError, match=r"ended by itself \(exit status 1\)"):
        open_isolated(clips.video(tmp_path / "a.mkv"), SMALL)
    assert descriptors() == before


def test_a_process_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.isolated_source, "_MARGIN", 0.1)
    path = clips.video(tmp_path / "a.mkv", frames=50)
    settings = SMALL.model_copy(update={"hang_timeout": 0.3, "read_timeout": 0.1})
    with opened(path, settings) as source:
        frames = iter(source)
        next(frames)
        os.kill(source.process.pid, signal.SIGSTOP)
        with pytest.raises(SourceUnreadableError, match="sent nothing for 0 s and was ended"):
            list(frames)
        assert gone(source.process.pid)


def test_closing_from_another_thread_ends_a_waiting_thread(tmp_path: Path) -> None:
    source = opened(clips.video(tmp_path / "a.mkv", frames=50))
    seen: list[int] = []
    frames = iter(source)
    next(frames)
    os.kill(source.process.pid, signal.SIGSTOP)
    thread = threading.Thread(target=lambda: seen.extend(frame.index for frame in frames))
    thread.start()
    time.sleep(0.2)
    source.close()
    thread.join(5)
    assert not thread.is_alive()
    assert seen == sorted(seen), "no error: it was wanted"
    source.close()


def test_pictures_beyond_the_memory_limit_are_an_error(tmp_path: Path) -> None:
    Image.new("RGB", (9000, 9000)).save(tmp_path / "large.png")
    settings = SourceSettings(max_pixels=10_000**2, memory_limit=256)
    with pytest.raises(SourceUnreadableError, match="memory"):
        open_isolated(tmp_path / "large.png", settings)


@pytest.mark.parametrize(
    ("url", "kind", "sentence"),
    [
        ("none.mp4", SourceNotFoundError, "does not exist"),
        ("screen:wide", UsageError, "screen:"),
        ("rtsp://me:secret@127.0.0.1:9/cam", SourceUnavailableError, "nothing listens there"),
    ],
)
def test_errors_keep_their_class_and_message(url: str, kind: type[Exception], sentence: str) -> None:
    before = descriptors()
    with pytest.raises(kind, match=sentence) as caught:
        open_isolated(url, SMALL)
    assert "secret" not in str(caught.value)
    assert descriptors() == before


def test_the_demo_and_the_setting_stay_in_this_process(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mkv")
    for url, settings in (("demo:", SMALL), (path, SourceSettings(isolate=False))):
        with open_isolated(url, settings) as source:
            assert not isinstance(source, IsolatedSource)


def test_unsupported_systems_decode_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.isolated_source, "available", lambda: False)
    with open_isolated(clips.video(tmp_path / "a.mkv"), SMALL) as source:
        assert not isinstance(source, IsolatedSource)


FAKE_PROCESS = """#!{python}
import json, socket, struct, sys
end = socket.socket(fileno=int(sys.argv[-2]))
for head in json.loads({messages!r}):
    text = json.dumps(head).encode()
    end.sendall(struct.pack("!II", len(text), 0) + text)
while end.recv(65536):
    pass
"""


@pytest.fixture
def fake_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Replaces the next source's process by one that sends the given messages; returns the source's file."""

    def fake(*messages: object) -> Path:
        program = tmp_path / "fake_process"
        program.write_text(FAKE_PROCESS.format(python=sys.executable, messages=json.dumps(messages, default=str)))
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))
        return clips.video(tmp_path / "a.mkv")

    return fake


@pytest.mark.parametrize("head", [{}, {"opened": 5}, {"opened": {"path": None}, "packets": None}, {"error": 5}])
def test_a_process_with_an_invalid_first_message_is_ended(
    fake_process: Callable[..., Path], head: dict[str, Any]
) -> None:
    path, before = fake_process(head), descriptors()
    with pytest.raises(SourceUnreadableError, match="sent an invalid message"):
        open_isolated(path, SMALL)
    assert descriptors() == before


@pytest.mark.parametrize("name", ["RuntimeError", "annotations", ""])
def test_an_unknown_error_class_is_reported_as_unexpected(fake_process: Callable[..., Path], name: str) -> None:
    with pytest.raises(SourceUnreadableError, match="should not happen"):
        open_isolated(fake_process({"error": [name, "text"]}), SMALL)


def test_drops_arrive_without_a_frame(tmp_path: Path, fake_process: Callable[..., Path]) -> None:
    with open_source(clips.video(tmp_path / "a.mkv")) as plain:
        info = asdict(plain.info)
    messages = ({"drops": {"corrupt picture": 3}}, {"error": ["SourceUnavailableError", "it is gone"]})
    with opened(fake_process({"opened": info, "packets": None}, *messages)) as source:
        with pytest.raises(SourceUnavailableError, match="it is gone"):
            next(iter(source))
        assert source.drops == {"corrupt picture": 3}


class Growing(Counter[str]):
    """Records the number of drops that a concurrent reader sees after each change."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def clear(self) -> None:
        super().clear()
        self.seen.append(self.total())

    def __setitem__(self, cause: str, count: int) -> None:
        super().__setitem__(cause, count)
        self.seen.append(self.total())


def test_drop_counts_never_fall_during_an_update(tmp_path: Path, fake_process: Callable[..., Path]) -> None:
    with open_source(clips.video(tmp_path / "a.mkv")) as plain:
        info = asdict(plain.info)
    messages = [{"drops": {"corrupt picture": count, "unreadable packet": 1}} for count in (3, 3, 5)]
    with opened(fake_process({"opened": info, "packets": None}, *messages, {"drops": None, "end": True})) as source:
        source._drops = growing = Growing()
        assert list(source) == []
        assert source.drops == {"corrupt picture": 5, "unreadable packet": 1}
    assert growing.seen == sorted(growing.seen)
    assert growing.seen[0] > 0


@pytest.mark.parametrize(
    "head",
    [
        {"frame": [9, 1, 1, 0, 0.0, "2026-01-01T00:00:00+00:00"], "skipped": 0, "disordered": 0},
        {"frame": [0]},
        {"frame": None},
        {"something": 1},
        {"packet": 5},
        {"drops": 5},
    ],
)
def test_a_process_with_invalid_messages_is_ended(
    tmp_path: Path, fake_process: Callable[..., Path], head: dict[str, Any]
) -> None:
    with open_source(clips.video(tmp_path / "a.mkv")) as plain:
        info = asdict(plain.info)
    with opened(fake_process({"opened": info, "packets": None}, head)) as source:
        with pytest.raises(SourceUnreadableError, match="sent an invalid message"):
            next(iter(source))
        assert gone(source.process.pid)


def test_a_failed_process_start_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, before = clips.video(tmp_path / "a.mkv"), descriptors()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    with pytest.raises(SourceUnavailableError, match="no process can be started"):
        open_isolated(path, SMALL)
    assert descriptors() == before


def test_the_list_of_processes_shows_no_address(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "secret.mkv")
    with opened(path) as source:
        command = Path(f"/proc/{source.process.pid}/cmdline").read_bytes()
    assert b"secret" not in command


def test_a_killed_monitor_leaves_no_process(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mkv", frames=50)
    script = (
        "import os, sys; from pathlib import Path; from monitor.media.sources import open_isolated\n"
        "source = open_isolated(Path(sys.argv[1])); next(iter(source))\n"
        "print(source.process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert gone(int(done.stdout))


@pytest.fixture
def camera(tmp_path: Path) -> Callable[..., Any]:
    if reason := rtsp_server.missing():
        pytest.skip(reason)
    path = clips.video(tmp_path / "cam.mp4", frames=50, options={"g": "10"})
    return lambda *options: rtsp_server.serve(path, "--loop", *options)


@pytest.mark.rtsp
def test_a_camera_is_read_and_released(camera: Callable[..., Any]) -> None:
    with camera() as url, opened(url) as source:
        assert source.info.live
        frames = list(islice(source, 20))
        assert [frame.media_time for frame in frames] == sorted({frame.media_time for frame in frames})
        began = time.monotonic()
        source.close()
        assert gone(source.process.pid)
        assert time.monotonic() - began < 3


@pytest.mark.rtsp
def test_a_camera_can_skip_frames_and_counts_them(camera: Callable[..., Any]) -> None:
    with camera() as url, opened(url) as source:
        source.skip_to(5)
        frames = list(islice(source, 15))  # the first ones were already sent
        source.skip_to(None)
        again = list(islice(source, 30))[10:]
    assert np.median(np.diff([frame.media_time for frame in frames])) == pytest.approx(0.2, abs=0.05)
    assert np.diff([frame.media_time for frame in again]).max() < 0.1
    assert again[-1].index + 1 == 45 + source.skipped + source.drops.get("hand-over behind", 0)


@pytest.mark.rtsp
def test_a_wrong_password_is_a_refused_error(camera: Callable[..., Any]) -> None:
    with camera("--user", "me", "--password", "right") as url:
        address = url.replace("rtsp://", "rtsp://me:wrong@")
        with pytest.raises(SourceRefusedError, match="wrong or missing user name or password"):
            open_isolated(address, SMALL)


def test_a_host_that_closes_the_connection_is_an_error(tmp_path: Path) -> None:
    """Not a camera at all."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)

        def hang_up() -> None:
            for _ in range(2):
                server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(SourceError):
            open_isolated(f"rtsp://127.0.0.1:{server.getsockname()[1]}/cam", SMALL)
        thread.join()
