"""Faults of cameras and processes: the watch tells them, and goes on by itself."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support import clips, faults, rtsp_server

from monitor.media.worker import process_clock
from monitor.runtime import StreamState

pytestmark = [pytest.mark.fault, pytest.mark.rtsp]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.video(tmp_path_factory.mktemp("film") / "cam.mp4", frames=50, options={"g": "10"})


@pytest.fixture
def camera(film: Path) -> Iterator[faults.Camera]:
    if reason := rtsp_server.missing():
        pytest.skip(reason)
    camera = faults.Camera(film)
    camera.start()
    yield camera
    camera.kill()


def test_a_camera_that_is_killed_again_and_again_is_found_again(camera: faults.Camera) -> None:
    before = faults.descriptors(), threading.active_count(), faults.children()
    with faults.watched(camera.url) as (watch, witness):
        for away in (0.0, 0.7, 1.5):
            faults.camera_killed(camera, watch, witness, away=away)
        assert witness.connection >= 4
        assert watch.status.state is StreamState.LIVE
    assert witness.unaccounted == []
    assert witness.read == witness.analysed + witness.dropped
    camera.kill()
    after = faults.descriptors(), threading.active_count(), faults.children()
    assert after == (before[0] - 1, before[1], before[2] - 1), "but for the camera itself"


def test_a_camera_that_freezes_is_a_stall_and_then_lost(camera: faults.Camera) -> None:
    with faults.watched(camera.url, read_timeout=4.0) as (watch, witness):
        stalled, _ = faults.camera_frozen(camera, watch, witness)
        assert stalled < 5, "3 s, on a machine that is not busy"
        faults.until(lambda: watch.status.state is StreamState.LIVE)
    assert witness.unaccounted == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_dies_is_replaced(camera: faults.Camera, number: signal.Signals) -> None:
    with faults.watched(camera.url) as (watch, witness):
        for _ in range(3):
            faults.reader_killed(witness, number)
            assert watch.status.state is StreamState.LIVE
    assert witness.connection == 4
    assert witness.unaccounted == []


def test_a_process_that_hangs_is_replaced(camera: faults.Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    with faults.watched(camera.url, read_timeout=0.5, hang_timeout=1.0) as (watch, witness):
        first = witness.pid
        monkeypatch.setattr(process_clock, "_PATIENCE", 2.0)  # a stopped process runs out of it five times as soon
        faults.reader_killed(witness, signal.SIGSTOP)
        assert witness.pid != first
        assert watch.status.state is StreamState.LIVE


def test_a_changed_password_is_told_and_not_tried_in_a_tight_loop(camera: faults.Camera) -> None:
    with faults.watched(camera.url, max_backoff=0.2) as (watch, witness):
        camera.kill()
        camera.start(password="changed")  # noqa: S106
        faults.until(lambda: "wrong or missing user name or password" in watch.status.reason)
        pauses = []
        for _ in range(3):
            faults.until(lambda: (watch.status.retry_after or 0) > 0.3)
            pauses.append(watch.status.retry_after)
            faults.until(lambda: (watch.status.retry_after or 0) < 0.2)
        assert pauses == sorted(pauses), "longer from time to time"
        connection = witness.connection
        camera.kill()
        faults.recovered(witness, after=connection, since=camera.start())
        assert watch.status.state is StreamState.LIVE


@pytest.mark.parametrize("damage", [faults.flip, faults.crawl])
def test_a_bad_line_costs_pictures_and_nothing_else(camera: faults.Camera, damage: object) -> None:
    proxy = faults.Proxy(camera.port)
    url = camera.url.replace(str(camera.port), str(proxy.port))
    with closing(proxy), faults.watched(url) as (watch, witness):
        proxy.damage = damage  # type: ignore[assignment]
        time.sleep(4)
        assert watch.status.state not in (StreamState.FAILED, StreamState.ENDED)
        proxy.damage = bytes
        seen = witness.frames
        faults.until(lambda: witness.frames > seen + 25)
        faults.until(lambda: watch.status.state is StreamState.LIVE)
    assert witness.unaccounted == []
