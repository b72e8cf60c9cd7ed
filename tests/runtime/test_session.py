import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from monitor.errors import EngineError, SourceUnavailableError
from monitor.media.sources import Source
from monitor.runtime import ANALYSIS_FAILED, SKIPPED, Cadence, LoadShedder, Session
from monitor.runtime import session as module
from monitor.runtime.frame_buffer import ANALYSIS_BEHIND
from monitor.settings import SessionSettings
from monitor.types import Frame

SETTINGS = SessionSettings(buffer_size=2)


class Camera(Source):
    """A source of ``count`` frames that may fail, block or come too fast."""

    def __init__(self, count: int, *, live: bool = False, fails: Exception | None = None, blocks: bool = False) -> None:
        super().__init__(SimpleNamespace(live=live), Counter({"corrupt packet": 1}))
        self.closed = threading.Event()
        self._count, self._fails, self._blocks = count, fails, blocks

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self._count):
            if self.closed.is_set():
                return
            if not self.frame_skipper.takes(index * 0.04):
                continue
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

    def step(self, frame: Frame, *, min_score_interval: float = 0.0, disordered: int = 0) -> int:
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


class Disordered(Camera):
    """Every time stamp of its frames runs back."""

    count = 0

    @property
    def disordered(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Frame]:
        for frame in super().__iter__():
            self.count = frame.index + 1
            yield frame


def test_the_pipeline_takes_the_count_of_disordered_time_stamps_of_each_frame() -> None:
    """Not the newest: the source is ahead of the analysis."""

    class Counts(Echo):
        def step(self, frame: Frame, *, min_score_interval: float = 0.0, disordered: int = 0) -> int:
            super().step(frame)
            return disordered

    seen, _ = run(Disordered(20), Counts(seconds=0.001))
    assert seen == list(range(1, 21))


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


class Drifting(Camera):
    """Live; three of its frames were under way while the clock was set by which they were stamped."""

    def __init__(self, ahead: float) -> None:
        super().__init__(10, live=True)
        self._ahead = timedelta(seconds=ahead)

    def __iter__(self) -> Iterator[Frame]:
        for frame in super().__iter__():
            under_way = frame.index in (3, 4, 5)
            yield replace(frame, captured_at=frame.captured_at - self._ahead) if under_way else frame
            time.sleep(0.01)


@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
def test_a_wall_clock_that_was_set_meanwhile_makes_no_frame_older_or_younger_than_it_can_be(ahead: float) -> None:
    with Session(Drifting(ahead), Echo(), settings=SETTINGS) as session:
        session.wait()
    latencies = list(session._counters.latencies)
    assert min(latencies) >= 0
    assert max(latencies) < 1
    assert session.stats.frames_analysed == 10


def test_a_hole_in_a_paced_file_is_not_sat_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Holed(Camera):
        def __iter__(self) -> Iterator[Frame]:
            for frame in super().__iter__():
                yield replace(frame, media_time=frame.media_time + (3600 if frame.index > 2 else 0))

    monkeypatch.setattr(module, "_MAX_WAIT", 0.2)
    arrivals: list[float] = []
    session = Session(
        Holed(11), Echo(), settings=SETTINGS, sinks=[lambda *_: arrivals.append(time.monotonic())], paced=True
    )
    with session:
        assert session.wait(10)
    assert arrivals[3] - arrivals[2] >= 0.15
    assert 0.25 <= arrivals[-1] - arrivals[3] < 2, "at its own speed again"


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


class Busy(LoadShedder):
    """A load that never changes."""

    def __init__(self, cadence: Cadence) -> None:
        super().__init__()
        self._fixed = cadence

    @property
    def cadence(self) -> Cadence:
        return self._fixed


class Rests(Echo):
    """Writes down how long a face's scores are to rest."""

    def __init__(self) -> None:
        super().__init__()
        self.intervals: set[float] = set()

    def step(self, frame: Frame, *, min_score_interval: float = 0.0, disordered: int = 0) -> int:
        self.intervals.add(min_score_interval)
        return super().step(frame)


@pytest.mark.parametrize("live", [True, False])
def test_a_busy_machine_leaves_out_even_slots_of_live_frames_and_counts_them(live: bool) -> None:
    seen: list[int] = []
    pipeline = Rests()
    session = Session(
        Camera(100, live=live),
        pipeline,
        settings=SessionSettings(buffer_size=256),
        sinks=[lambda frame, observation: seen.append(observation)],
        load=Busy(Cadence(min_score_interval=0.5, fps=5)),
    )
    with session:
        session.wait()
    if not live:
        assert seen == list(range(100)), "a file waits"
        assert pipeline.intervals == {0.0}
        return
    assert pipeline.intervals == {0.5}
    dropped = session.stats.dropped
    assert dropped[SKIPPED] in (78, 79, 80), "of 25 frames a second 5 stay, and one that comes early"
    assert dropped.get(ANALYSIS_BEHIND, 0) == 100 - dropped[SKIPPED] - len(seen), "only the newest waits"
    assert len({index % 5 for index in seen[2:]}) <= 1, "evenly apart"


def test_the_load_hears_how_a_live_stream_fares_and_nothing_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[dict[str, float]] = []
    monkeypatch.setattr(module.StreamLoad, "add_frame", lambda self, **said: heard.append(said))
    for live in (False, True):
        session = Session(Camera(60, live=live), Echo(seconds=0.005), settings=SETTINGS, load=LoadShedder())
        assert not heard
        with session:
            session.wait()
    stats = session.stats
    assert len(heard) == stats.frames_analysed
    assert heard[-1]["lost"] <= stats.dropped[ANALYSIS_BEHIND]
    assert all(said["busy"] >= 0.005 for said in heard)


def test_latencies_go_into_their_bins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LATENCIES", (0.0, 60.0))
    _, session = run(Camera(5), Echo())
    stats = session.stats
    assert stats.latencies == (0, 5, 0)
    assert 0 < stats.latency < 60
