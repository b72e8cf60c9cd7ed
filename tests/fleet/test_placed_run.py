"""The server's side of a stream on a node: its events, its states, its placements."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from support.events import AT, analyse_frame, close_stream, open_stream
from support.flagging import flag
from support.observations import Face, change, frame, observation, summary

from monitor.errors import ConflictError
from monitor.flags.recorder import FlagRequest
from monitor.fleet.messages import EventMessage, StatusMessage
from monitor.fleet.outbox import Outbox
from monitor.fleet.placed_run import PlacedRun
from monitor.runtime import StreamMetrics, StreamState, StreamStatus, Subscription
from monitor.server.stream_run import StreamOrder
from monitor.settings import Settings
from monitor.system import jpeg
from monitor.types import Flag, Label
from monitor.types.events import Event, FrameAnalysed, StreamClosed, StreamStateChanged
from monitor.types.stats import SessionStats

PIXELS = np.full((72, 96, 3), 90, np.uint8)
MARK = FlagRequest(connection=1, media_time=0.2, frame_index=1)


class Host:
    """A host that stores every flag."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.asked: list[Any] = []

    def flag(self, run: PlacedRun, placement: int, mark: FlagRequest) -> Flag:
        self.asked.append((placement, mark))
        return flag(id=mark.flag_id)

    def picture(self, run: PlacedRun, placement: int, **what: Any) -> bytes:
        self.asked.append((placement, what))
        return jpeg.encode(PIXELS, quality=90)


class Fleet:
    """Notes the streams."""

    def __init__(self) -> None:
        self.runs: list[PlacedRun] = []

    def add(self, run: PlacedRun) -> None:
        self.runs.append(run)

    def remove(self, run: PlacedRun) -> None:
        self.runs.remove(run)
        run.release()


class Watched:
    """A stream with all events that its observers receive."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.metrics = StreamMetrics(lambda: self.run.status.stats)
        order = StreamOrder(stream_id="a", url="rtsp://ada:hush@cam/live", settings=Settings())
        observers = [Subscription(self.events.append, "all"), Subscription(self.metrics, "metrics")]
        self.run = PlacedRun(order, observers, fleet=Fleet())
        self.run.start()

    def send(self, *, connection: int = 1, frames: int = 2, is_closed: bool = False, placement: int = 0) -> None:
        """Events of a node, as they arrive."""
        outbox = Outbox()
        stream = outbox.add("a", placement=placement or self.run.placement)
        open_stream(stream, connection=connection)
        for index in range(frames):
            faces = [Face((10, 10, 40, 50), label=Label.LIKELY_FAKE, probability=0.95)]
            last = index == frames - 1
            seen = observation(
                faces,
                index=index,
                media_time=index / 5,
                changes=[change(1)] if last else [],
                ended=[summary(1, Label.LIKELY_FAKE, 0.95)] if last else [],
            )
            analyse_frame(stream, frame(PIXELS, index / 5, index), seen, connection=connection)
        if is_closed:
            close_stream(stream, connection=connection, frames=SessionStats.counted(frames, dropped={}, lost={}))
        for message in outbox.take({}):
            self.run.deliver(message)

    def send_status(self, *, connection: int = 1, analysed: int = 2, state: StreamState = StreamState.LIVE) -> None:
        stats = SessionStats.counted(analysed, dropped={}, lost={})
        status = StreamStatus(state, "", connection, attempt=0, retry_after=None, info=None, stats=stats)
        self.run.deliver(StatusMessage("a", self.run.placement, status, {"server": 0}))

    def types(self) -> Sequence[str]:
        return [event.type for event in self.events]


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_events_reach_the_observers_in_their_order(watched: Watched) -> None:
    assert watched.run.needs_host
    watched.run.assign(Host("one"))
    watched.send()
    assert watched.types() == [
        "stream_state_changed", "stream_opened", "frame_analysed", "frame_analysed", "label_changed",
    ]  # fmt: skip
    assert (watched.run.node, watched.run.status.connection) == ("one", 1)
    assert watched.run.broadcaster.now is not None
    assert watched.run.broadcaster.now["frame"] == 1


def test_a_lost_node_closes_the_connection_and_the_next_one_goes_on_counting(watched: Watched) -> None:
    watched.run.assign(Host("one"))
    watched.send()
    watched.send_status(analysed=2)
    watched.run.release("node one was lost (its process has ended): the stream moves to another node")
    closed = next(event for event in watched.events if isinstance(event, StreamClosed))
    assert closed.failure.startswith("node one was lost")
    assert (closed.connection, closed.frames.frames_analysed) == (1, 2)
    assert closed.verdict.label is Label.LIKELY_FAKE, "of the tracks that had ended until then"
    assert (watched.run.status.state, watched.run.node) == (StreamState.RECONNECTING, "")
    assert watched.run.needs_host
    watched.run.assign(Host("two"))
    assert watched.run.placed_order.connections == 1
    watched.send(connection=2)
    assert watched.run.status.connection == 2
    assert watched.metrics.totals.openings == 2


def test_totals_never_decrease_over_a_loss(watched: Watched) -> None:
    watched.run.assign(Host("one"))
    watched.send()
    watched.send_status(analysed=40)
    seen = [watched.metrics.totals.analysed]
    watched.run.release("lost")
    seen.append(watched.metrics.totals.analysed)
    watched.run.assign(Host("two"))
    watched.send(connection=2)
    seen.append(watched.metrics.totals.analysed)
    watched.send_status(connection=2, analysed=3)
    seen.append(watched.metrics.totals.analysed)
    assert seen == [40, 40, 40, 43]


def test_messages_of_an_earlier_placement_are_ignored(watched: Watched) -> None:
    watched.run.assign(Host("one"))
    watched.run.release("lost")
    watched.run.assign(Host("two"))
    before = len(watched.events)
    watched.send(placement=1)
    assert len(watched.events) == before


def test_a_stream_that_has_ended_needs_no_node(watched: Watched) -> None:
    watched.run.assign(Host("one"))
    watched.send(is_closed=True)
    watched.send_status(state=StreamState.ENDED)
    watched.run.release("lost")
    assert (watched.run.status.state, watched.run.needs_host) == (StreamState.ENDED, False)
    watched.run.resume()
    assert watched.run.needs_host


def test_a_move_is_told_once_and_its_end_is_not_the_end_of_the_stream(watched: Watched) -> None:
    watched.run.assign(Host("one"))
    watched.send()
    watched.run.leave("node one is overloaded: the stream moves to another node")
    ended = StreamStateChanged(stream="cam", connection=1, at=AT, state="ended")
    watched.run.deliver(EventMessage("a", 1, ended))
    states = [event.state for event in watched.events if isinstance(event, StreamStateChanged)]
    assert states == ["connecting", "reconnecting"]
    with pytest.raises(ConflictError, match=r"no node watches rtsp://ada:\*\*\*@cam/live now"):
        watched.run.flag(MARK)


def test_a_flag_has_its_id_before_it_travels(watched: Watched) -> None:
    host = Host("one")
    watched.run.assign(host)
    stored = watched.run.flag(MARK)
    placement, mark = host.asked[0]
    assert (placement, mark.flag_id) == (1, stored.id)
    assert mark.flag_id


def test_an_outlet_fetches_the_pixels_of_a_frame_only_when_it_reads_them(watched: Watched) -> None:
    host = Host("one")
    watched.run.assign(host)
    watched.send()
    analysed = [event for event in watched.events if isinstance(event, FrameAnalysed)]
    assert host.asked == []
    assert analysed[1].frame.pixels.shape == (72, 96, 3)
    assert host.asked == [(1, {"connection": 1, "index": 1, "media_time": 0.2})]
