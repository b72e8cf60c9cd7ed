"""Pushed pictures and their sources."""

import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from support.crashes import crashing_python

from monitor.errors import SourceUnavailableError
from monitor.media.sources.push import BEHIND, REFUSED, UNDECODABLE, UNWATCHED, PushInbox
from monitor.media.sources.source import Source
from monitor.media.worker.isolated_source import available
from monitor.settings import SourceSettings
from monitor.system import jpeg
from monitor.types import Frame

HERE = SourceSettings(isolate=False)
NOON = 1_790_000_000.0  # seconds on a browser's clock


def picture(grey: int = 90, *, width: int = 64, height: int = 48) -> bytes:
    return jpeg.encode(np.full((height, width, 3), grey, np.uint8), quality=90)


@pytest.fixture
def inbox() -> PushInbox:
    return PushInbox("Camera of ada", open_timeout=5.0, settings=HERE)


def pushing(inbox: PushInbox, *, content: bytes | None = None) -> None:
    """Push a picture from another thread, as soon as a source waits for its first one."""
    wait_for = inbox._changed.wait_for

    def wait_and_be_served(predicate: Callable[[], object], timeout: float | None = None) -> object:
        inbox._changed.wait_for = wait_for  # type: ignore[method-assign]
        threading.Thread(target=lambda: inbox.push(picture() if content is None else content, taken_at=NOON)).start()
        return wait_for(predicate, timeout)

    inbox._changed.wait_for = wait_and_be_served  # type: ignore[method-assign,assignment]


def opened(inbox: PushInbox) -> tuple[Iterator[Frame], Source]:
    pushing(inbox)
    source = inbox.open()
    return iter(source), source


def test_pushed_pictures_become_frames(inbox: PushInbox) -> None:
    frames, source = opened(inbox)
    first = next(frames)
    assert (source.info.name, source.info.kind, source.info.live) == ("Camera of ada", "webcam", True)
    assert (source.info.width, source.info.height) == (first.width, first.height) == (64, 48)
    inbox.push(picture(200), taken_at=NOON + 0.25)
    second = next(frames)
    assert (first.index, first.media_time, second.index, second.media_time) == (0, 0.0, 1, 0.25)
    assert second.pixels.mean() == pytest.approx(200, abs=2)
    assert first.captured_at <= second.captured_at
    assert source.drops == {}


@pytest.mark.skipif(not available(), reason="this system cannot hand descriptors to a process")
def test_pushed_pictures_are_decoded_in_a_separate_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(content: bytes) -> None:
        raise AssertionError("decoded in this process")

    inbox = PushInbox("Camera of ada", open_timeout=5.0, settings=SourceSettings())
    first, second = picture(), picture(200)
    monkeypatch.setattr(jpeg, "decode", refuse)
    pushing(inbox, content=first)
    with inbox.open() as source:
        frames = iter(source)
        assert next(frames).pixels.mean() == pytest.approx(90, abs=2)
        inbox.push(second, taken_at=NOON + 0.25)
        assert next(frames).pixels.mean() == pytest.approx(200, abs=2)
    assert list(frames) == []
    monkeypatch.setattr(sys, "executable", crashing_python(tmp_path, "monitor.system.jpeg", "decode"))
    pushing(inbox, content=first)
    with inbox.open() as source, pytest.raises(SourceUnavailableError, match=r"Camera of ada: .* crashed \(SIGABRT\)"):
        next(iter(source))


def test_skipped_pictures_are_not_decoded(inbox: PushInbox, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, source = opened(inbox)
    source.skip_to(2)
    assert next(frames).index == 0
    decoded: list[bytes] = []
    decode = jpeg.decode
    monkeypatch.setattr(jpeg, "decode", lambda content: (decoded.append(content), decode(content))[1])
    for grey, later in ((50, 0.1), (200, 0.5)):
        inbox.push(picture(grey), taken_at=NOON + later)
    second = next(frames)
    assert (second.index, second.media_time, source.skipped, len(decoded)) == (2, 0.5, 1, 1)
    assert second.pixels.mean() == pytest.approx(200, abs=2)


def test_media_time_continues_when_the_browsers_clock_jumps(inbox: PushInbox) -> None:
    frames, _ = opened(inbox)
    times = [next(frames).media_time]
    for taken_at in (NOON + 0.1, NOON + 0.1, NOON - 7200, NOON - 7199.9, 1e300, -1e300):
        inbox.push(picture(), taken_at=taken_at)
        times.append(next(frames).media_time)
    steps = np.diff(times)
    assert (steps > 0).all()
    assert (steps < 0.2).all()


def test_newer_pictures_replace_older_ones_and_drops_are_counted(inbox: PushInbox) -> None:
    frames, source = opened(inbox)
    next(frames)
    for grey in (10, 60, 110, 160):
        inbox.push(picture(grey), taken_at=NOON + grey)
    assert [round(next(frames).pixels.mean()) for _ in range(2)] == [
        pytest.approx(110, abs=2),
        pytest.approx(160, abs=2),
    ]
    assert source.drops == {BEHIND: 2}


def test_pictures_pushed_without_a_reader_are_counted_as_drops(inbox: PushInbox) -> None:
    for grey in (10, 20, 30):
        inbox.push(picture(grey), taken_at=NOON)
    frames, source = opened(inbox)
    assert round(next(frames).pixels.mean()) == pytest.approx(90, abs=2)
    assert source.drops == {UNWATCHED: 3}


def _sized(width: int, height: int) -> bytes:
    """A picture with a wrong size in its header."""
    content = bytearray(picture())
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(content)


PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


@pytest.mark.parametrize(
    ("content", "taken_at", "why"),
    [
        (b"", NOON, "no JPEG"),
        (PNG, NOON, "no JPEG"),
        (b"\xff\xd8\xff" + PNG + b"\xff\xd9", NOON, "header cannot be read"),
        (picture()[:-40], NOON, "not a whole one"),
        (_sized(9_000, 9_000), NOON, "9000 x 9000 pixels"),
        (_sized(60_000, 60_000), NOON, "header cannot be read"),  # Pillow refuses it
        (picture() + b"\0" * (4 << 20) + b"\xff\xd9", NOON, "more than 4194304 bytes"),
        (picture(), float("nan"), "no time"),
        (picture(), float("inf"), "no time"),
    ],
)
def test_invalid_pictures_are_refused_and_counted(inbox: PushInbox, content: bytes, taken_at: float, why: str) -> None:
    frames, source = opened(inbox)
    next(frames)
    with pytest.raises(ValueError, match=why):
        inbox.push(content, taken_at=taken_at)
    assert source.drops == {REFUSED: 1}
    inbox.push(picture(), taken_at=NOON + 1)
    assert next(frames).index == 1, "it goes on"


def test_undecodable_pictures_are_counted_and_give_no_frame(inbox: PushInbox, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, source = opened(inbox)
    next(frames)
    content = picture()
    scan = content.index(b"\xff\xc4")
    broken = content[:scan] + b"\xff\xc4\x00\x04\xff\xff" + content[scan + 60 :]
    inbox.push(broken, taken_at=NOON + 1)
    inbox.push(picture(200), taken_at=NOON + 2)
    assert next(frames).pixels.mean() == pytest.approx(200, abs=2)
    assert source.drops == {UNDECODABLE: 1}


def test_a_silent_source_is_lost_and_can_be_opened_again() -> None:
    inbox = PushInbox("Camera of ada", open_timeout=0.1, settings=HERE.model_copy(update={"read_timeout": 0.1}))
    with pytest.raises(SourceUnavailableError, match=r"Camera of ada: no picture came for 0.1 s; is the page"):
        inbox.open()
    pushing(inbox)
    frames = iter(inbox.open())
    next(frames)
    with pytest.raises(SourceUnavailableError):
        next(frames)
    assert inbox.silence >= 0.1
    pushing(inbox)
    again = next(iter(inbox.open()))
    assert (again.index, again.media_time) == (0, 0.0)


def test_a_reader_closed_from_another_thread_ends(inbox: PushInbox) -> None:
    frames, source = opened(inbox)
    next(frames)
    began = time.monotonic()
    threading.Timer(0.05, source.close).start()
    assert list(frames) == []
    assert time.monotonic() - began < 2
    source.close()


def test_a_new_reader_replaces_the_previous_one(inbox: PushInbox) -> None:
    before, _ = opened(inbox)
    next(before)
    after, _ = opened(inbox)
    assert list(before) == []
    assert next(after).index == 0


def test_closing_the_inbox_ends_all_waiting_threads(inbox: PushInbox) -> None:
    frames, _ = opened(inbox)
    next(frames)
    threading.Timer(0.05, inbox.close).start()
    assert list(frames) == []
    with pytest.raises(SourceUnavailableError):
        inbox.open()
    inbox.push(picture(), taken_at=NOON)
