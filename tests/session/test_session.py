from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

from monitor.errors import EngineError, SourceUnavailableError
from monitor.session import ANALYSIS_FAILED, Session
from monitor.settings import SessionSettings
from monitor.types import Frame

SETTINGS = SessionSettings(buffer_size=2)


class Camera:
    """A source of ``count`` frames that may fail, block or come too fast."""

    def __init__(self, count: int, *, live: bool = False, fails: Exception | None = None, blocks: bool = False) -> None:
        self.info = SimpleNamespace(live=live)
        self.losses = {"corrupt packet": 1}
        self.closed = threading.Event()
        self._count, self._fails, self._blocks = count, fails, blocks

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self._count):
            if self.closed.is_set():
                return
            yield Frame(
                pixels=np.zeros((4, 4, 3), np.uint8),
                index=index,
                media_time=index * 0.04,
                captured_at=datetime.now(UTC),
                source="camera",
            )
        if self._fails is not None:
            raise self._fails
        if self._blocks:
            self.closed.wait(30)

    def close(self) -> None:
        self.closed.set()


class Echo:
    """A pipeline that returns the frame's index, slowly if asked, and may fail at one."""

    def __init__(self, *, seconds: float = 0.0, fails_at: int | None = None) -> None:
        self._seconds, self._fails_at = seconds, fails_at

    def step(self, frame: Frame) -> int:
        time.sleep(self._seconds)
        if frame.index == self._fails_at:
            raise EngineError("the engine broke")
        return frame.index


def run(source: Camera, pipeline: Echo) -> tuple[list[int], Session]:
    seen: list[int] = []
    session = Session(source, pipeline, settings=SETTINGS, sinks=[lambda frame, observation: seen.append(observation)])
    with session:
        session.wait()
    return seen, session


def test_a_file_is_analysed_whole_and_in_order() -> None:
    seen, session = run(Camera(50), Echo(seconds=0.001))
    assert seen == list(range(50))
    stats = session.stats
    assert (stats.frames_read, stats.frames_analysed, stats.dropped) == (50, 50, {})
    assert stats.lost == {"corrupt packet": 1}
    assert stats.latency_p50 is not None
    assert stats.latency_p50 <= stats.latency_p95


def test_a_live_source_drops_the_oldest_and_accounts_for_every_frame() -> None:
    seen, session = run(Camera(300, live=True), Echo(seconds=0.002))
    stats = session.stats
    assert seen == sorted(seen)
    assert seen[-1] == 299, "the newest frame wins"
    assert stats.dropped.get("analysis behind", 0) > 0
    assert stats.frames_read == 300 == stats.frames_analysed + sum(stats.dropped.values())


def test_the_cameras_failure_is_raised_after_its_frames_were_analysed() -> None:
    seen: list[int] = []
    session = Session(
        Camera(5, fails=SourceUnavailableError("camera gone")),
        Echo(),
        settings=SETTINGS,
        sinks=[lambda frame, observation: seen.append(observation)],
    )
    with session, pytest.raises(SourceUnavailableError, match="camera gone"):
        session.wait()
    assert seen == list(range(5))


def test_the_pipelines_failure_is_raised_and_closes_the_source() -> None:
    source = Camera(1000)
    session = Session(source, Echo(fails_at=3), settings=SETTINGS)
    with session, pytest.raises(EngineError, match="broke"):
        session.wait()
    assert source.closed.is_set()
    stats = session.stats
    assert stats.dropped[ANALYSIS_FAILED] == 1
    assert stats.frames_read == stats.frames_analysed + sum(stats.dropped.values())


def test_a_sinks_failure_ends_the_session_and_is_raised() -> None:
    def full(frame: Frame, observation: object) -> None:
        raise OSError("disk full")

    session = Session(Camera(1000), Echo(), settings=SETTINGS, sinks=[full])
    with session, pytest.raises(OSError, match="disk full"):
        session.wait()


def test_stopping_ends_a_blocked_camera_and_leaves_no_thread() -> None:
    before = threading.active_count()
    source = Camera(3, live=True, blocks=True)
    with Session(source, Echo(), settings=SETTINGS) as session:
        assert not session.wait(timeout=0.2), "still waiting for the camera"
    assert session.wait(timeout=0), "over, and no failure is reported for a wanted stop"
    assert threading.active_count() == before


def test_a_paced_file_comes_at_its_own_speed_and_is_stamped_then() -> None:
    arrivals: list[datetime] = []
    session = Session(
        Camera(11), Echo(), settings=SETTINGS, sinks=[lambda frame, _: arrivals.append(frame.captured_at)], paced=True
    )
    with session:
        session.wait()
    assert len(arrivals) == 11
    assert (arrivals[-1] - arrivals[0]).total_seconds() >= 0.38, "ten frame times of 0.04 s, stamped when due"


def test_a_sink_may_stop_the_session() -> None:
    source = Camera(1000)
    seen: list[int] = []

    def enough(frame: Frame, observation: object) -> None:
        seen.append(frame.index)
        if frame.index == 3:
            session.stop()

    session = Session(source, Echo(), settings=SETTINGS, sinks=[enough])
    with session:
        assert session.wait(timeout=20)
    assert seen == [0, 1, 2, 3]
