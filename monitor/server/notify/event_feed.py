"""An outlet for programs that read the events from this server: server-sent events and WebSocket of the API.

A reader that is too slow loses its oldest waiting events, and receives their number. A reader that returns continues
after its last event, as long as the buffer still holds the next one.
"""

import asyncio
import secrets
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic_core import to_json

from monitor.errors import ConflictError, UsageError
from monitor.runtime import Observer
from monitor.server.notify import OutletContext, WatchedStream
from monitor.types.events import Event, FrameAnalysed

EVENT_TYPES: Final[tuple[str, ...]] = tuple(kind.type for kind in get_args(Event))
USUAL_TYPES: Final = frozenset(EVENT_TYPES) - {FrameAnalysed.type}  # without those of every frame


@dataclass(frozen=True, slots=True)
class FeedMessage:
    """One event as JSON text."""

    id: str  # "" for an event of a frame: it is not buffered
    type: str
    stream_id: str
    text: str


@dataclass(frozen=True, slots=True)
class EventFilter:
    """The events that a reader wants."""

    types: frozenset[str] = USUAL_TYPES
    streams: frozenset[str] = frozenset()  # ids; empty: all streams

    def wants(self, kind: str, stream_id: str) -> bool:
        """Whether the reader wants an event of this type and stream."""
        return kind in self.types and (not self.streams or stream_id in self.streams)


class FeedReader:
    """One reader, on its own event loop.

    Args:
        capacity: number of waiting events.
    """

    def __init__(self, wanted: EventFilter, *, capacity: int) -> None:
        self.wanted = wanted
        self._waiting: deque[FeedMessage] = deque()
        self._capacity = capacity
        self._lost: int | None = 0  # None: an unknown number
        self._lock = threading.Lock()
        self._arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def offer(self, message: FeedMessage) -> None:
        """Queue an event, if it is wanted; thread-safe."""
        if not self.wanted.wants(message.type, message.stream_id):
            return
        with self._lock:
            if len(self._waiting) >= self._capacity:
                self._waiting.popleft()
                self._lost = None if self._lost is None else self._lost + 1
            self._waiting.append(message)
        self.wake()

    def lose(self, count: int | None) -> None:
        """Count events that the buffer no longer holds; None: an unknown number."""
        with self._lock:
            self._lost = None if count is None or self._lost is None else self._lost + count

    def wake(self) -> None:
        """End a wait of the reader; thread-safe."""
        with suppress(RuntimeError):  # the event loop is closed: the reader has left
            self._loop.call_soon_threadsafe(self._arrived.set)

    def take(self) -> FeedMessage | None:
        """The next message, first of all the number of lost events; None: nothing waits."""
        with self._lock:
            if self._lost != 0:
                lost, self._lost = self._lost, 0
                return FeedMessage("", "events_lost", "", to_json({"type": "events_lost", "count": lost}).decode())
            return self._waiting.popleft() if self._waiting else None

    async def wait(self, seconds: float) -> None:
        """Wait for the next message, at most so many seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._arrived.wait(), seconds)
        self._arrived.clear()


class EventFeed:
    """Sends the events of all streams to the readers, and buffers the newest ones."""

    name = "event feed"

    def __init__(self, *, buffer: int, queue: int, max_readers: int) -> None:
        self._boot = secrets.token_hex(4)  # ids of an earlier start are foreign
        self._number = 0  # of the newest buffered event
        self._buffer: deque[FeedMessage] = deque(maxlen=buffer)
        self._queue, self._max_readers = queue, max_readers
        self._readers: list[FeedReader] = []
        self._lock = threading.Lock()
        self.closed = False

    def start(self) -> None:
        """Nothing to begin: the readers come by themselves."""

    def watch(self, stream: WatchedStream) -> Observer:
        """The observer of a new stream."""
        stream_id = stream.id

        def publish(event: Event) -> None:
            self._publish(event, stream_id)

        return publish

    def forget(self, stream: WatchedStream) -> None:
        """Nothing to forget: the events of a removed stream stay readable."""

    def close(self) -> None:
        """End all readers."""
        with self._lock:
            self.closed = True
            readers = tuple(self._readers)
        for reader in readers:
            reader.wake()

    @property
    def readers(self) -> int:
        """The number of readers."""
        return len(self._readers)

    @contextmanager
    def reading(self, wanted: EventFilter, *, after: str = "") -> Iterator[FeedReader]:
        """Subscribe to the events (event loop).

        Args:
            after: id of the last event that the reader has; "": begin now.

        Raises:
            ConflictError: there are too many readers.
            UsageError: ``after`` is not the id of an event.
        """
        reader = FeedReader(wanted, capacity=max(self._queue, self._buffer.maxlen or 0) if after else self._queue)
        with self._lock:
            if len(self._readers) >= self._max_readers:
                raise ConflictError(
                    f"{self._max_readers} programs read the events already: end one, or raise api.event_clients"
                )
            if after:
                self._resume(reader, after)
            self._readers.append(reader)
        try:
            yield reader
        finally:
            with self._lock:
                self._readers.remove(reader)

    def _resume(self, reader: FeedReader, after: str) -> None:
        boot, _, text = after.partition("-")
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise UsageError("the id of the last event is not one of this server: leave it out to begin now")
        number = int(text)
        if boot != self._boot or number > self._number:
            reader.lose(None)
            number = 0
        else:
            reader.lose(max(0, self._number - len(self._buffer) - number))
        for message in self._buffer:
            if int(message.id.partition("-")[2]) > number:
                reader.offer(message)

    def _publish(self, event: Event, stream_id: str) -> None:
        is_frame = isinstance(event, FrameAnalysed)
        if is_frame and not any(reader.wanted.wants(event.type, stream_id) for reader in tuple(self._readers)):
            return
        values: dict[str, Any] = event.to_dict()
        rest = to_json({"stream_id": stream_id, **values}, inf_nan_mode="null").decode()
        with self._lock:
            if is_frame:
                message = FeedMessage("", event.type, stream_id, rest)
            else:
                self._number += 1
                event_id = f"{self._boot}-{self._number}"
                message = FeedMessage(event_id, event.type, stream_id, f'{{"id":"{event_id}",{rest[1:]}')
                self._buffer.append(message)
            readers = tuple(self._readers)
            for reader in readers:
                reader.offer(message)


def open_outlet(context: OutletContext) -> EventFeed:
    """The feed of a service."""
    api = context.settings.api
    return EventFeed(buffer=api.event_buffer, queue=api.event_queue, max_readers=api.event_clients)
