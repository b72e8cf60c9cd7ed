"""The events of a host's streams on their way to the server: bounded, with every loss counted.

If the server is slow, the oldest frames of a stream are dropped first, then its oldest other events.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from monitor.fleet.messages import DistantFrame, EventMessage, PictureMessage, StreamMessage
from monitor.server.frame_messages import picture
from monitor.server.quality_levels import QualityLevel
from monitor.types import Frame
from monitor.types.events import Event, FrameAnalysed, StreamClosed

MAX_MESSAGES: Final = 256  # of one stream: ten seconds of 25 frames a second
FRAME_LOST: Final = "frames: the server was too slow"
EVENT_LOST: Final = "other events: the server was too slow"


class StreamOutbox:
    """The events of one stream; an observer."""

    def __init__(self, outbox: "Outbox", *, stream_id: str, placement: int) -> None:
        self._outbox, self.stream_id, self.placement = outbox, stream_id, placement
        self.events: deque[Event] = deque()
        self.newest: tuple[int, Frame] | None = None  # connection and frame
        self.is_over = False
        self._sent: set[QualityLevel] = set()  # of the newest frame

    def __call__(self, event: Event) -> None:
        """Queue one event; returns at once."""
        with self._outbox.changed:
            match event:
                case FrameAnalysed(frame=frame, connection=connection):
                    self.newest = connection, frame
                    self._sent = set()
                    event = replace(event, frame=DistantFrame.of(frame))
                case StreamClosed():
                    event = replace(event, error=None)  # its text is in ``failure``
            if len(self.events) >= self._outbox.max_messages:
                self._drop_one()
            self.events.append(event)
            self._outbox.changed.notify_all()

    def _drop_one(self) -> None:
        position = next((n for n, event in enumerate(self.events) if isinstance(event, FrameAnalysed)), None)
        del self.events[position or 0]
        self._outbox.lost[EVENT_LOST if position is None else FRAME_LOST] += 1

    def missing(self, levels: Sequence[QualityLevel]) -> list[QualityLevel]:
        """The levels at which the newest picture was not sent yet."""
        return [] if self.newest is None else [level for level in levels if level not in self._sent]

    def encode(self, levels: Sequence[QualityLevel]) -> PictureMessage | None:
        """The newest picture at some levels; None if it changed meanwhile."""
        newest = self.newest
        if newest is None:
            return None
        connection, frame = newest
        pictures = {level: picture(frame, **level._asdict()) for level in levels}
        if self.newest is not newest:  # the next picture comes with the next exchange
            return None
        self._sent.update(levels)
        return PictureMessage(self.stream_id, self.placement, connection, frame.index, pictures)


class Outbox:
    """The events of all streams of a host.

    Args:
        max_messages: limit of the waiting events of one stream.
    """

    def __init__(self, *, max_messages: int = MAX_MESSAGES) -> None:
        self.max_messages = max_messages
        self.changed = threading.Condition()
        self.lost: Counter[str] = Counter()  # by cause
        self.picture_bytes = 0  # of all pictures so far
        self._streams: list[StreamOutbox] = []

    def add(self, stream_id: str, *, placement: int) -> StreamOutbox:
        """The outbox of a new stream."""
        added = StreamOutbox(self, stream_id=stream_id, placement=placement)
        with self.changed:
            self._streams.append(added)
        return added

    def finish(self, stream: StreamOutbox) -> None:
        """Forget a stopped stream as soon as its last events are taken."""
        with self.changed:
            stream.is_over = True
            self.changed.notify_all()

    @property
    def known(self) -> frozenset[tuple[str, int]]:
        """Id and placement of all streams that run, or whose last events wait."""
        with self.changed:
            return frozenset((stream.stream_id, stream.placement) for stream in self._streams)

    def wait(self, levels: Mapping[str, Sequence[QualityLevel]], *, timeout: float, linger: float) -> None:
        """Wait for an event or a wanted picture, then some time for more."""
        with self.changed:
            has_news = self.changed.wait_for(lambda: self._has_news(levels), timeout)
        if has_news and linger:
            time.sleep(linger)

    def _has_news(self, levels: Mapping[str, Sequence[QualityLevel]]) -> bool:
        return any(
            stream.events or stream.is_over or stream.missing(levels.get(stream.stream_id, ()))
            for stream in self._streams
        )

    def take(self, levels: Mapping[str, Sequence[QualityLevel]]) -> list[StreamMessage]:
        """All waiting events, and the newest pictures at the wanted levels."""
        messages: list[StreamMessage] = []
        with self.changed:
            streams = tuple(self._streams)
            self._streams = [stream for stream in streams if not stream.is_over]
            for stream in streams:
                messages += (EventMessage(stream.stream_id, stream.placement, event) for event in stream.events)
                stream.events.clear()
            wanted = [(stream, stream.missing(levels.get(stream.stream_id, ()))) for stream in self._streams]
        for stream, missing in wanted:
            sent = stream.encode(missing) if missing else None
            if sent is not None:
                self.picture_bytes += sum(map(len, sent.pictures.values()))
                messages.append(sent)
        return messages
