"""The parts of the worker run in this process; test_isolated_source runs them as a process."""

import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import clips

from monitor.media.packets import CompressedPacket
from monitor.media.sources import Source, open_source
from monitor.media.worker import process
from monitor.media.worker.frame_ring import SLOTS, FrameRing
from monitor.media.worker.ipc_channel import IpcChannel
from monitor.media.worker.process import BEHIND, FrameSender, PacketForwarder, TaskProgress
from monitor.settings import SourceSettings
from monitor.types import Frame

SETTINGS = SourceSettings(max_pixels=320 * 240)


def test_a_process_starts_without_the_loader_of_settings_and_web_clients() -> None:
    heavy = "{'http.client', 'pydantic_settings', 'torch', 'urllib.request'} & set(sys.modules)"
    code = f"import sys, monitor.media.worker.process; print(sorted({heavy}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.fixture
def ends() -> Iterator[tuple[IpcChannel, IpcChannel]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield IpcChannel(ours), IpcChannel(theirs)


def received(channel: IpcChannel) -> list[dict[str, Any]]:
    found = []
    while channel.has_message():
        found.append(channel.receive(1)[0])
    return found


def test_packets_are_buffered_until_the_parent_decides(ends: tuple[IpcChannel, IpcChannel]) -> None:
    here, there = ends
    relay = PacketForwarder(there, dict)
    relay.packet(CompressedPacket(b"first", pts=4, is_key=True))
    relay.picture(pts=4, media_time=0.0)
    assert not here.has_message()
    relay.decide(wanted=True)
    relay.packet(CompressedPacket(b"second", pts=None, is_key=False))
    relay.picture(pts=None, media_time=0.04)
    assert here.receive(1) == ({"packet": [4, True]}, b"first")
    assert here.receive(1) == ({"packet": [None, False]}, b"second")
    assert here.receive(1) == ({"picture": [None, 0.04]}, b"")


def test_unwanted_packets_are_discarded(ends: tuple[IpcChannel, IpcChannel]) -> None:
    here, there = ends
    relay = PacketForwarder(there, dict)
    relay.packet(CompressedPacket(b"first", pts=4, is_key=True))
    relay.decide(wanted=False)
    relay.packet(CompressedPacket(b"second", pts=5, is_key=True))
    assert not here.has_message()


def test_packets_without_a_picture_send_drop_counts_regularly(
    ends: tuple[IpcChannel, IpcChannel], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = ends
    monkeypatch.setattr(process, "_REPORT_INTERVAL", 0.0)
    relay = PacketForwarder(there, lambda: {"corrupt picture": 3})
    relay.decide(wanted=False)
    relay.packet(CompressedPacket(b"damaged", pts=4, is_key=False))
    assert here.receive(1) == ({"drops": {"corrupt picture": 3}}, b"")
    monkeypatch.setattr(process, "_REPORT_INTERVAL", 60.0)
    relay.packet(CompressedPacket(b"damaged", pts=5, is_key=False))
    assert not here.has_message()


def test_running_work_sends_progress_regularly(
    ends: tuple[IpcChannel, IpcChannel], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = ends
    monkeypatch.setattr(process, "_REPORT_INTERVAL", 60.0)
    working = TaskProgress(there)
    working()
    working()
    assert received(here) == [{"working": True}], "at once, then not for a while"


def test_unwanted_work_ends(ends: tuple[IpcChannel, IpcChannel]) -> None:
    here, there = ends
    here.send({"stop": True})
    with pytest.raises(EOFError):
        TaskProgress(there)()


class Camera(Source):
    """The frames of a file, marked as live."""

    def __init__(self, source: Source) -> None:
        super().__init__(replace(source.info, live=True), Counter({"corrupt picture": 2}))
        self._source = source

    def __iter__(self) -> Iterator[Frame]:
        return (frame for frame in self._source if self.frame_skipper.takes(frame.media_time))

    def close(self) -> None: ...


def test_a_live_source_never_waits_for_a_slot(tmp_path: Path, ends: tuple[IpcChannel, IpcChannel]) -> None:
    here, there = ends
    ring = FrameRing.create(max_pixels=SETTINGS.max_pixels)
    with open_source(clips.video(tmp_path / "a.mkv")) as source:
        FrameSender(there, ring).run(Camera(source))
    messages = received(here)
    assert [head["frame"][3] for head in messages if "frame" in head] == list(range(SLOTS))
    assert messages[0]["drops"] == {"corrupt picture": 2}, "sent once"
    assert "drops" not in messages[1]
    assert messages[-1] == {"drops": {"corrupt picture": 2, BEHIND: 12 - SLOTS}, "skipped": 0, "end": True}
    ring.close()


def test_skipped_frames_are_not_converted(tmp_path: Path, ends: tuple[IpcChannel, IpcChannel]) -> None:
    here, there = ends
    ring = FrameRing.create(max_pixels=SETTINGS.max_pixels)
    here.send({"fps": 5.0})
    with open_source(clips.video(tmp_path / "a.mkv")) as source:
        FrameSender(there, ring).run(Camera(source))
    *frames, end = received(here)
    assert [(head["frame"][3], head["skipped"]) for head in frames] == [(0, 0), (1, 0), (5, 3), (10, 7)], (
        "from the message on"
    )
    assert (end["skipped"], end["drops"]) == (8, {"corrupt picture": 2})
    ring.close()


def test_a_reply_other_than_a_free_slot_ends_the_sender(tmp_path: Path, ends: tuple[IpcChannel, IpcChannel]) -> None:
    here, there = ends
    ring = FrameRing.create(max_pixels=SETTINGS.max_pixels)
    here.send({"stop": True})
    with open_source(clips.video(tmp_path / "a.mkv")) as source, pytest.raises(EOFError):
        FrameSender(there, ring).run(source)
    assert received(here) == []
    ring.close()


@pytest.fixture
def served(ends: tuple[IpcChannel, IpcChannel], monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    """All messages about a file that fits into the slots."""
    monkeypatch.setattr(process, "limit_memory", lambda megabytes: None)
    monkeypatch.setattr(os, "nice", lambda increment: 0)

    def serve(path: Path, settings: SourceSettings = SETTINGS) -> list[dict[str, Any]]:
        here, there = ends
        ring = FrameRing.create(max_pixels=settings.max_pixels)
        here.send({"url": str(path), "is_path": True, "settings": settings.model_dump(mode="json")})
        here.send({"tap": False})
        process.serve(there, ring.descriptor)
        messages = received(here)
        if "frame" in messages[-2 if len(messages) > 1 else 0]:
            slot, height, width, *_ = messages[-2]["frame"]
            assert clips.number_of(ring.take(slot, height=height, width=width)) == 2
        return messages

    return serve


def test_a_file_is_opened_sent_and_ended(tmp_path: Path, served: Callable[..., list[dict[str, Any]]]) -> None:
    opened, *frames, end = served(clips.video(tmp_path / "a.mkv", frames=3))
    assert (opened["opened"]["width"], opened["opened"]["path"]) == (160, str(tmp_path / "a.mkv"))
    assert opened["packets"]["codec"] == "h264"
    assert [head["frame"][1:5] for head in frames] == [[120, 160, 0, 0.0], [120, 160, 1, 0.04], [120, 160, 2, 0.08]]
    assert end == {"drops": {}, "skipped": 0, "end": True}


def test_an_error_is_reported_with_its_class(tmp_path: Path, served: Callable[..., list[dict[str, Any]]]) -> None:
    assert served(tmp_path / "none.mp4") == [
        {"error": ["SourceNotFoundError", f"{tmp_path / 'none.mp4'}: does not exist; is the path right?"]}
    ]


def test_an_unexpected_error_is_reported_without_its_text(
    tmp_path: Path,
    served: Callable[..., list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    password = "".join(("hid", "den"))  # not in a line of the trace

    def fail(*_: object) -> None:
        raise RuntimeError(f"rtsp://me:{password}@camera")

    monkeypatch.setattr(process, "open_source", fail)
    assert served(tmp_path / "a.mkv") == [{"error": ["", "RuntimeError"]}]
    assert password not in capfd.readouterr().err


def test_the_error_for_a_lack_of_memory_names_the_setting(
    tmp_path: Path, served: Callable[..., list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhaust(*_: object) -> None:
        np.empty(2**62, np.uint8)

    monkeypatch.setattr(process, "open_source", exhaust)
    ((kind, message),) = (head["error"] for head in served(tmp_path / "a.mkv"))
    assert kind == "SourceUnreadableError"
    assert "source.memory_limit" in message
