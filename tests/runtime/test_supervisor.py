import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest
from support.events import ENGINES
from support.observations import observation, segment, summary

from monitor.errors import EngineError, OutputError, SourceUnavailableError
from monitor.media.sources import Source
from monitor.runtime import FailurePolicy, Observers, StreamState, StreamStatus, StreamSupervisor, Subscription
from monitor.runtime import supervisor as module
from monitor.settings import Settings
from monitor.types import Frame, Observation, Segment, TrackSummary
from monitor.types.events import Event, FrameAnalysed, StreamClosed, StreamOpened, StreamStateChanged


class Reel(Source):
    """A source of ``count`` frames, 50 a second; a live one that ends was lost."""

    def __init__(self, *, count: int, live: bool) -> None:
        super().__init__(SimpleNamespace(live=live, still=False, name="reel"), Counter())
        self._count, self._closed = count, threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self._count):
            if self._closed.wait(0.02 if self.info.live else 0):
                return
            yield Frame(np.zeros((4, 4, 3), np.uint8), index, index * 0.02, datetime.now(UTC), "reel")

    def close(self) -> None:
        self._closed.set()


class Echo:
    def __init__(self, fails: Exception | None = None) -> None:
        self._fails = fails

    def step(self, frame: Frame, *, min_score_interval: float = 0.0, disordered: int = 0) -> Observation:
        if self._fails:
            raise self._fails
        return observation(index=frame.index, media_time=frame.media_time)

    def finish(self) -> tuple[tuple[Segment, ...], tuple[TrackSummary, ...]]:
        return (segment(1, 0.0, 0.4),), (summary(1),)


class RecordingObserver:
    """Writes the events down."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.frames: list[tuple[int, int]] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, FrameAnalysed):
            self.frames.append((event.connection, event.observation.frame_index))
        else:
            self.events.append(event)

    @property
    def connections(self) -> list[tuple[str, int]]:
        """Openings and closings."""
        return [(one.type, one.connection) for one in self.events if isinstance(one, StreamOpened | StreamClosed)]

    @property
    def endings(self) -> list[StreamClosed]:
        return [one for one in self.events if isinstance(one, StreamClosed)]

    @property
    def states(self) -> list[str]:
        return [one.state for one in self.events if isinstance(one, StreamStateChanged)]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[StreamSupervisor, RecordingObserver]]]:
    """A watch of sources that are opened one after the other: reels, or what opening them raises."""
    watches: list[StreamSupervisor] = []

    def started(
        *reels: Reel | Exception,
        url: str = "rtsp://cam",
        repeat: bool = False,
        fails: Exception | None = None,
        attempts: int | None = None,
    ) -> tuple[StreamSupervisor, RecordingObserver]:
        waiting = list(reels)

        def opened(address: str, settings: object) -> Reel:
            assert address == url
            found = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(module, "open_isolated", opened)
        monkeypatch.setattr(module, "Pipeline", lambda engines, settings, still, live, info: Echo(fails))
        audience = RecordingObserver()
        settings = Settings.model_validate({"source": {"max_retries": attempts}})
        watch = StreamSupervisor(
            url,
            engines=lambda: ENGINES,
            settings=settings,
            observers=Observers([Subscription(audience, "test")]),
            repeat=repeat,
        )  # type: ignore[arg-type, return-value]
        watches.append(watch)
        watch.start()
        return watch, audience

    yield started
    for watch in watches:
        watch.stop()


def until(watch: StreamSupervisor, wanted: Callable[[StreamStatus], bool], *, seconds: float = 20.0) -> StreamStatus:
    """The first status that is wanted."""
    deadline = time.monotonic() + seconds
    while not wanted(status := watch.status):
        assert time.monotonic() < deadline, status
        time.sleep(0.01)
    return status


def test_a_file_is_played_at_its_own_speed_to_its_end(start: Callable) -> None:
    began = time.monotonic()
    watch, audience = start(Reel(count=20, live=False), url="a.mp4")
    status = until(watch, lambda status: status.state is StreamState.ENDED)
    assert time.monotonic() - began >= 19 * 0.02
    assert audience.frames == [(1, index) for index in range(20)]
    assert audience.connections == [("stream_opened", 1), ("stream_closed", 1)]
    (ending,) = audience.endings
    assert (ending.segments, ending.tracks, ending.frames) == ((segment(1, 0.0, 0.4),), (summary(1),), status.stats)
    assert ending.verdict.track_id == 1
    assert status.stats.frames_analysed == 20


def test_a_file_is_repeated_if_wanted(start: Callable) -> None:
    watch, audience = start(
        Reel(count=3, live=False), Reel(count=3, live=False), Reel(count=99, live=True), repeat=True
    )
    until(watch, lambda status: status.connection == 3)
    assert audience.frames[:6] == [(connection, index) for connection in (1, 2) for index in range(3)]


def test_a_lost_camera_is_opened_again_and_the_reason_is_told(start: Callable) -> None:
    gone = SourceUnavailableError("cam: no answer")
    watch, audience = start(Reel(count=5, live=True), gone, Reel(count=10_000, live=True))
    first = until(watch, lambda status: status.state is StreamState.RECONNECTING)
    assert "ended" in first.reason
    assert 0 <= first.retry_after <= 1
    until(watch, lambda status: status.reason == "cam: no answer")
    until(watch, lambda status: status.state is StreamState.LIVE)
    assert watch.status.connection == 2
    assert audience.connections[:3] == [("stream_opened", 1), ("stream_closed", 1), ("stream_opened", 2)]


def test_pauses_between_tries_grow(start: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_BACKOFF", 0.02)
    watch, _ = start(SourceUnavailableError("cam: no answer"))
    pauses = []
    while len(pauses) < 6:
        status = until(watch, lambda status: status.state is StreamState.RECONNECTING and status.retry_after)
        pauses.append(status.retry_after)
        until(watch, lambda status, last=pauses[-1]: not status.retry_after or status.retry_after > last)
    assert pauses[-1] > 4 * pauses[0]
    assert watch.status.connection == 0


def test_a_file_that_is_not_there_is_not_tried_again(start: Callable) -> None:
    watch, _ = start(SourceUnavailableError("a.mp4: there is no such file"), url="a.mp4")
    status = until(watch, lambda status: status.state.over)
    assert (status.state, status.reason) == (StreamState.FAILED, "a.mp4: there is no such file")


def test_an_engine_that_fails_ends_it_and_resume_begins_anew(start: Callable) -> None:
    watch, _ = start(Reel(count=5, live=True), fails=EngineError("the engine broke"))
    assert until(watch, lambda status: status.state.over).reason == "the engine broke"
    watch.resume()
    until(watch, lambda status: status.connection == 2)


def test_what_nobody_foresaw_is_told_too(start: Callable) -> None:
    watch, _ = start(Reel(count=5, live=True), fails=ZeroDivisionError("by zero"))
    assert "ZeroDivisionError" in until(watch, lambda status: status.state is StreamState.FAILED).reason


def test_a_paused_camera_is_let_go_of(start: Callable) -> None:
    reel = Reel(count=10_000, live=True)
    watch, audience = start(reel, Reel(count=10_000, live=True))
    until(watch, lambda status: status.state is StreamState.LIVE)
    watch.pause()
    until(watch, lambda status: status.state is StreamState.PAUSED)
    assert reel._closed.is_set()
    seen = len(audience.frames)
    time.sleep(0.2)
    assert len(audience.frames) == seen
    watch.resume()
    until(watch, lambda status: status.state is StreamState.LIVE)
    assert watch.status.connection == 2


def test_a_paused_file_goes_on_where_it_was(start: Callable) -> None:
    watch, audience = start(Reel(count=40, live=False), url="a.mp4")
    until(watch, lambda status: len(audience.frames) > 5)
    watch.pause()
    until(watch, lambda status: status.state is StreamState.PAUSED)
    time.sleep(0.2)
    seen = len(audience.frames)
    time.sleep(0.3)
    assert len(audience.frames) == seen < 40
    watch.resume()
    until(watch, lambda status: status.state is StreamState.ENDED)
    assert audience.frames == [(1, index) for index in range(40)]


def test_silence_is_a_stall(start: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALLED_AFTER", 0.1)

    class Frozen(Reel):
        def __iter__(self) -> Iterator[Frame]:
            yield from super().__iter__()
            self._closed.wait()

    watch, audience = start(Frozen(count=3, live=True))
    status = until(watch, lambda status: status.state is StreamState.STALLED)
    assert status.reason.startswith("no picture for")
    until(watch, lambda _: audience.states[-1:] == ["stalled"])


def test_a_slow_camera_is_not_stalled_between_two_pictures(start: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALLED_AFTER", 0.01)

    class Slow(Reel):
        def __iter__(self) -> Iterator[Frame]:
            for frame in super().__iter__():
                yield replace(frame, media_time=1000.0 * frame.index)
            self._closed.wait()

    watch, audience = start(Slow(count=3, live=True))
    until(watch, lambda _: len(audience.frames) == 3)
    time.sleep(0.1)
    assert watch.status.state is StreamState.LIVE


def test_the_events_of_a_lost_camera_tell_its_states_in_order(start: Callable) -> None:
    watch, audience = start(
        Reel(count=20, live=True), SourceUnavailableError("cam: no answer"), Reel(count=10_000, live=True)
    )
    until(watch, lambda status: status.connection == 2 and status.state is StreamState.LIVE)
    watch.pause()
    until(watch, lambda _: audience.states[-1] == "paused")
    states = audience.states
    assert states[:2] == ["live", "reconnecting"]
    assert states[-2:] == ["live", "paused"]


def test_a_required_observer_that_fails_ends_the_stream_and_the_others_hear_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(event: Event) -> None:
        raise OutputError(f"the disk is full at {event.type}")

    monkeypatch.setattr(module, "open_isolated", lambda *_: Reel(count=100, live=True))
    monkeypatch.setattr(module, "Pipeline", lambda engines, settings, still, live, info: Echo())
    audience = RecordingObserver()
    observers = Observers([Subscription(full, "recorder", FailurePolicy.REQUIRED), Subscription(audience, "test")])
    watch = StreamSupervisor("rtsp://cam", engines=lambda: ENGINES, settings=Settings(), observers=observers)  # type: ignore[arg-type, return-value]
    watch.start()
    try:
        status = until(watch, lambda status: status.state is StreamState.FAILED)
        assert status.reason == "the disk is full at stream_opened"
        until(watch, lambda _: audience.states == ["failed"])
    finally:
        watch.stop()


def test_stop_ends_every_thread(start: Callable) -> None:
    before = threading.active_count()
    watch, _ = start(Reel(count=10_000, live=True))
    until(watch, lambda status: status.state is StreamState.LIVE)
    watch.stop()
    assert threading.active_count() == before


def test_what_no_address_names_is_opened_by_an_opener_and_again_when_it_was_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_FIRST_BACKOFF", 0.02)
    monkeypatch.setattr(module, "Pipeline", lambda engines, settings, still, live, info: Echo())
    opened: list[Reel] = []

    def opener() -> Reel:
        opened.append(Reel(count=2, live=True))
        return opened[-1]

    audience = RecordingObserver()
    watch = StreamSupervisor(
        "a camera",
        engines=lambda: ENGINES,
        settings=Settings(),
        observers=Observers([Subscription(audience, "test")]),
        opener=opener,
    )  # type: ignore[arg-type, return-value]
    watch.start()
    until(watch, lambda status: status.connection >= 2)
    watch.stop()
    assert len(opened) >= 2
    assert audience.frames[:2] == [(1, 0), (1, 1)]


def test_an_ending_says_what_became_of_the_frames_and_why_it_came(start: Callable) -> None:
    watch, audience = start(Reel(count=3, live=True), SourceUnavailableError("cam: no answer"))
    status = until(watch, lambda status: status.attempt == 2)
    (ending,) = audience.endings
    assert ending.frames.frames_read == ending.frames.frames_analysed == 3
    assert str(ending.failure) == "reel: the stream ended"
    assert str(watch.failure) == "cam: no answer"
    assert status.state is StreamState.RECONNECTING


def test_while_a_source_is_away_its_frames_are_not_kept(start: Callable) -> None:
    class Remembered(Reel):
        def __iter__(self) -> Iterator[Frame]:
            for frame in super().__iter__():
                shown.append(weakref.ref(frame.pixels))
                yield frame
            raise SourceUnavailableError("cam: the line broke")

    shown: list[weakref.ref[np.ndarray]] = []
    watch, audience = start(Remembered(count=3, live=True), SourceUnavailableError("cam: no answer"))
    until(watch, lambda status: status.attempt == 2)
    assert len(shown) == 3
    assert audience.endings[0].failure == "cam: the line broke"
    assert not any(ref() is not None for ref in shown)
    assert watch.status.stats.frames_analysed == 3


def test_a_lost_source_is_given_up_after_as_many_attempts_as_the_settings_say(start: Callable) -> None:
    watch, audience = start(Reel(count=3, live=True), SourceUnavailableError("cam: no answer"), attempts=2)
    status = until(watch, lambda status: status.state.over)
    assert status.state is StreamState.FAILED
    assert status.reason == "cam: no answer (given up after 2 more attempts: source.max_retries)"
    assert audience.connections[-1][0] == "stream_closed"
    watch.resume()
    assert until(watch, lambda status: status.state is StreamState.RECONNECTING).attempt == 1


def test_a_source_that_opens_and_shows_nothing_counts_as_an_attempt(start: Callable) -> None:
    watch, _ = start(Reel(count=0, live=True), attempts=1)
    assert until(watch, lambda status: status.state.over).connection == 2
