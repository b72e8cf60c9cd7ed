import threading
import time
from collections.abc import Iterator

import pytest

from monitor import api
from monitor.analysis.pipeline import Engines
from monitor.results.watch import FRAMES_HELD, Watch
from monitor.runtime import FailurePolicy, Subscription
from monitor.settings import Settings, SourceSettings
from monitor.types.events import Event, FrameAnalysed, StreamClosed


@pytest.fixture
def brief(settings: Settings) -> Settings:
    return settings.model_copy(update={"source": SourceSettings(demo_seconds=1.0)})


def events_of(watch: Watch) -> Iterator[str]:
    return (event.type for event in watch)


def test_a_file_is_watched_from_its_opening_to_its_end(engines: Engines, brief: Settings) -> None:
    with api.watch("demo:", engines=engines, settings=brief) as watch:
        types = list(events_of(watch))
    assert types.index("stream_opened") < types.index("frame_analysed") < types.index("stream_closed")
    assert types.count("frame_analysed") + watch.dropped == 25
    assert types[-1] == "stream_state_changed", "it ended"


def test_a_slow_reader_loses_frames_and_nothing_else(engines: Engines, brief: Settings) -> None:
    seen: list[Event] = []
    with api.watch("demo:", engines=engines, settings=brief, observers=[Subscription(seen.append, "list")]) as watch:
        deadline = time.monotonic() + 30
        while not any(isinstance(event, StreamClosed) for event in seen) and time.monotonic() < deadline:
            time.sleep(0.05)
        read = list(watch)
    frames = [event for event in read if isinstance(event, FrameAnalysed)]
    assert (len(frames), watch.dropped) == (FRAMES_HELD, 25 - FRAMES_HELD)
    assert [event for event in read if not isinstance(event, FrameAnalysed)] == [
        event for event in seen if not isinstance(event, FrameAnalysed)
    ]


def test_leaving_the_block_ends_all_threads(engines: Engines, brief: Settings) -> None:
    before = set(threading.enumerate())
    with api.watch("demo:", engines=engines, settings=brief, repeat=True) as watch:
        next(watch)
    assert [thread for thread in threading.enumerate() if thread not in before and thread.name != "memory"] == []
    rest = list(watch)
    assert isinstance(rest[-1], StreamClosed), "what was still waiting can be read"


def test_a_required_observer_ends_the_watch(engines: Engines, brief: Settings) -> None:
    def fails(event: Event) -> None:
        if event.type == "frame_analysed":
            raise RuntimeError("no room")

    required = Subscription(fails, "recorder", FailurePolicy.REQUIRED)
    with (
        pytest.raises(RuntimeError, match="no room"),
        api.watch("demo:", engines=engines, settings=brief, observers=[required]) as watch,
    ):
        list(watch)
