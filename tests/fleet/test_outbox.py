"""The events of a host on their way: in order, bounded, every loss counted, pictures only if wanted."""

import pickle

import numpy as np
from support.events import analyse_frame, close_stream, open_stream
from support.observations import EVENTS, Face, frame, observation

from monitor.fleet.messages import DistantFrame, EventMessage, PictureMessage
from monitor.fleet.outbox import EVENT_LOST, FRAME_LOST, Outbox
from monitor.server.quality_levels import LEVELS
from monitor.types.events import FrameAnalysed, StreamClosed

PIXELS = np.full((72, 96, 3), 90, np.uint8)


def show(observer: object, index: int) -> None:
    seen = observation([Face((10, 10, 40, 50))], index=index, media_time=index / 5)
    analyse_frame(observer, frame(PIXELS, index / 5, index), seen)  # type: ignore[arg-type]


def test_events_arrive_in_order_without_pixels() -> None:
    outbox = Outbox()
    stream = outbox.add("a", placement=3)
    open_stream(stream)
    for index in range(3):
        show(stream, index)
    close_stream(stream, error=ValueError("boom"))
    messages = outbox.take({})
    assert [message.event.type for message in messages if isinstance(message, EventMessage)] == [
        "stream_opened", "frame_analysed", "frame_analysed", "frame_analysed", "stream_closed",
    ]  # fmt: skip
    assert {(message.stream_id, message.placement) for message in messages} == {("a", 3)}
    analysed = messages[1].event  # type: ignore[union-attr]
    assert isinstance(analysed, FrameAnalysed)
    assert isinstance(analysed.frame, DistantFrame)
    assert (analysed.frame.width, analysed.frame.height, analysed.frame.index) == (96, 72, 0)
    closed = messages[-1].event  # type: ignore[union-attr]
    assert isinstance(closed, StreamClosed)
    assert (closed.failure, closed.error) == ("boom", None)
    assert outbox.take({}) == []


def test_every_event_survives_its_way() -> None:
    outbox = Outbox()
    stream = outbox.add("a", placement=1)
    for event in EVENTS:
        stream(event)
    sent = outbox.take({})
    arrived = pickle.loads(pickle.dumps(sent))  # noqa: S301 - made here
    assert [message.event.to_dict() for message in arrived] == [event.to_dict() for event in EVENTS]
    assert len(pickle.dumps(sent)) < 40_000


def test_the_oldest_frames_are_lost_first_and_counted() -> None:
    outbox = Outbox(max_messages=4)
    stream = outbox.add("a", placement=1)
    open_stream(stream)
    for index in range(6):
        show(stream, index)
    close_stream(stream)
    kept = [message.event for message in outbox.take({}) if isinstance(message, EventMessage)]
    assert [event.type for event in kept] == ["stream_opened", "frame_analysed", "frame_analysed", "stream_closed"]
    assert [event.frame.index for event in kept if isinstance(event, FrameAnalysed)] == [4, 5]
    assert outbox.lost == {FRAME_LOST: 4}
    for _ in range(6):
        open_stream(stream)
    assert outbox.lost == {FRAME_LOST: 4, EVENT_LOST: 2}


def test_the_newest_picture_travels_once_per_level_and_only_if_wanted() -> None:
    outbox = Outbox()
    stream = outbox.add("a", placement=1)
    show(stream, 0)
    show(stream, 1)
    best, worst = LEVELS[0], LEVELS[-1]
    wanted = {"a": (best,)}
    pictures = [message for message in outbox.take(wanted) if isinstance(message, PictureMessage)]
    assert [(one.connection, one.frame_index, list(one.pictures)) for one in pictures] == [(1, 1, [best])]
    assert outbox.picture_bytes == len(pictures[0].pictures[best]) > 0
    assert outbox.take(wanted) == []
    again = outbox.take({"a": (best, worst)})
    assert [list(one.pictures) for one in again if isinstance(one, PictureMessage)] == [[worst]]
    before = outbox.picture_bytes
    show(stream, 2)
    assert not any(isinstance(message, PictureMessage) for message in outbox.take({}))
    assert outbox.picture_bytes == before


def test_a_stopped_stream_is_known_until_its_last_event_is_taken() -> None:
    outbox = Outbox()
    stream = outbox.add("a", placement=2)
    close_stream(stream)
    outbox.finish(stream)
    assert outbox.known == {("a", 2)}
    outbox.wait({}, timeout=5.0, linger=0.0)
    assert len(outbox.take({})) == 1
    assert outbox.known == frozenset()
