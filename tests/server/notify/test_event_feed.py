"""The feed of events: order, filters, resumption, slow readers."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
from support.observations import EVENTS

from monitor.errors import ConflictError, UsageError
from monitor.server.notify.event_feed import (
    EVENT_TYPES,
    USUAL_TYPES,
    EventFeed,
    EventFilter,
    FeedReader,
    open_outlet,
)
from monitor.settings import Settings
from monitor.types.events import Event, FrameAnalysed, StreamStateChanged

DOOR, GATE = SimpleNamespace(id="door"), SimpleNamespace(id="gate")
STATE = next(event for event in EVENTS if isinstance(event, StreamStateChanged))


def feed_of(*, buffer: int = 100, queue: int = 10, max_readers: int = 4) -> EventFeed:
    return EventFeed(buffer=buffer, queue=queue, max_readers=max_readers)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def drain(reader: FeedReader) -> list[dict[str, Any]]:
    found = []
    while (message := reader.take()) is not None:
        found.append(json.loads(message.text))
    return found


def publish(feed: EventFeed, count: int, *, stream: Any = DOOR, event: Event = STATE) -> None:
    observer = feed.watch(stream)
    for _ in range(count):
        observer(event)


def test_a_reader_receives_every_event_once_and_in_order() -> None:
    async def test() -> None:
        feed = feed_of(queue=100)
        with feed.reading(EventFilter()) as reader:
            observer = feed.watch(DOOR)
            for event in EVENTS:
                observer(event)
            found = drain(reader)
        assert [one["type"] for one in found] == [kind for kind in EVENT_TYPES if kind in USUAL_TYPES]
        assert {one["stream_id"] for one in found} == {"door"}
        assert len({one["id"] for one in found}) == len(found)
        expected = next(event for event in EVENTS if event.type == "label_changed").to_dict()
        (changed,) = [one for one in found if one["type"] == "label_changed"]
        assert {key: changed[key] for key in expected} == json.loads(json.dumps(expected))

    run(test)


def test_the_events_of_frames_are_sent_on_request_only() -> None:
    async def test() -> None:
        feed = feed_of()
        frame = next(event for event in EVENTS if isinstance(event, FrameAnalysed))
        with (
            feed.reading(EventFilter()) as usual,
            feed.reading(EventFilter(types=frozenset({"frame_analysed"}))) as frames,
        ):
            publish(feed, 3, event=frame)
            assert drain(usual) == []
            found = drain(frames)
        assert [one["type"] for one in found] == ["frame_analysed"] * 3
        assert "id" not in found[0], "not buffered, so nobody can continue after it"
        assert not feed._buffer

    run(test)


def test_filters_select_types_and_streams() -> None:
    async def test() -> None:
        feed = feed_of()
        with feed.reading(EventFilter(streams=frozenset({"gate"}))) as reader:
            publish(feed, 2)
            publish(feed, 1, stream=GATE)
            assert [one["stream_id"] for one in drain(reader)] == ["gate"]
        with feed.reading(EventFilter(types=frozenset({"hint_raised"}))) as reader:
            publish(feed, 2)
            assert drain(reader) == []

    run(test)


def test_a_slow_reader_loses_the_oldest_events_and_is_told_how_many() -> None:
    async def test() -> None:
        feed = feed_of(queue=10)
        with feed.reading(EventFilter()) as slow, feed.reading(EventFilter()) as fast:
            for _ in range(5000):
                publish(feed, 1)
                assert len(drain(fast)) == 1
                assert len(slow._waiting) <= 10
            found = drain(slow)
        assert found[0] == {"type": "events_lost", "count": 4990}
        assert len(found) == 11
        numbers = [int(one["id"].partition("-")[2]) for one in found[1:]]
        assert numbers == list(range(4991, 5001))

    run(test)


def test_a_reader_that_returns_continues_after_its_last_event() -> None:
    async def test() -> None:
        feed = feed_of(buffer=50, queue=3)
        with feed.reading(EventFilter()) as reader:
            publish(feed, 2)
            last = drain(reader)[-1]["id"]
        publish(feed, 20)
        with feed.reading(EventFilter(), after=last) as reader:
            publish(feed, 1)
            found = drain(reader)
        assert [int(one["id"].partition("-")[2]) for one in found] == list(range(3, 24)), "none lost, none twice"
        publish(feed, 100)
        with feed.reading(EventFilter(), after=last) as reader:
            found = drain(reader)
        assert found[0] == {"type": "events_lost", "count": 123 - 50 - 2}
        assert len(found) == 51

    run(test)


def test_the_id_of_an_earlier_start_loses_an_unknown_number() -> None:
    async def test() -> None:
        before, feed = feed_of(), feed_of()
        publish(before, 1)
        publish(feed, 2)
        with feed.reading(EventFilter(), after=before._buffer[-1].id) as reader:
            found = drain(reader)
        assert found[0] == {"type": "events_lost", "count": None}
        assert len(found) == 3
        for wrong in ("x", "5", "a-b", "-", f"{feed._boot}-{'9' * 40}", f"{feed._boot}-²"):
            with pytest.raises(UsageError, match="leave it out"), feed.reading(EventFilter(), after=wrong):
                pass

    run(test)


def test_there_are_never_too_many_readers() -> None:
    async def test() -> None:
        feed = feed_of(max_readers=1)
        with feed.reading(EventFilter()):
            with pytest.raises(ConflictError, match="1 programs read"), feed.reading(EventFilter()):
                pass
            assert feed.readers == 1
        with feed.reading(EventFilter()):
            assert feed.readers == 1
        assert feed.readers == 0

    run(test)


def test_an_event_of_another_thread_wakes_the_reader_and_so_does_the_end() -> None:
    async def test() -> None:
        feed = feed_of()
        with feed.reading(EventFilter()) as reader:
            publisher = asyncio.create_task(asyncio.to_thread(publish, feed, 1))
            await asyncio.wait_for(reader.wait(60.0), 30.0)
            assert len(drain(reader)) == 1
            await publisher
            closing = asyncio.create_task(asyncio.to_thread(feed.close))
            await asyncio.wait_for(reader.wait(60.0), 30.0)
            await closing
            assert feed.closed

    run(test)


def test_an_event_after_the_end_of_the_loop_is_no_failure() -> None:
    feed = feed_of()
    left: list[Any] = []

    async def test() -> None:
        left.append(feed.reading(EventFilter()))
        left[0].__enter__()

    run(test)
    publish(feed, 1)
    left[0].__exit__(None, None, None)
    assert feed.readers == 0


def test_the_service_has_a_feed_with_the_limits_of_the_settings(settings: Settings) -> None:
    context: Any = SimpleNamespace(settings=settings, database=None)
    feed = open_outlet(context)
    feed.start()
    assert feed._buffer.maxlen == settings.api.event_buffer
    feed.forget(DOOR)  # type: ignore[arg-type]
    feed.close()
