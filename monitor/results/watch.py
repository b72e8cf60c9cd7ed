"""A watched stream as an iterator of its events."""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, Self

from monitor.analysis.pipeline import Engines
from monitor.runtime import FailurePolicy, LoadShedder, Observers, StreamState, StreamSupervisor, Subscription
from monitor.settings import Settings
from monitor.types.events import Event, FrameAnalysed, StreamStateChanged

FRAMES_HELD: Final = 8  # FrameAnalysed events that wait for the reader; they hold pixels
EVENTS_HELD: Final = 1000  # all others: beyond that the stream waits for the reader, and drops frames


class Watch:
    """Watches a stream while its ``with`` block lasts; iterating gives its events until it is over.

    Events wait for the reader. Of ``FrameAnalysed`` the oldest is dropped when too many wait, and counted in
    ``dropped``; no other event is dropped.

    Raises:
        MonitorError: while iterating, after the last event: the stream failed for good.
    """

    def __init__(
        self,
        url: str,
        *,
        engines: Engines,
        settings: Settings,
        subscriptions: Sequence[Subscription] = (),
        repeat: bool = False,
        load: LoadShedder | None = None,
    ) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Event] = deque()
        self._frames = 0  # FrameAnalysed among them
        self._stopped = self._over = self._failed = False
        self.dropped = 0  # FrameAnalysed events that the reader was too slow for
        reader = Subscription(self._put, "reader", FailurePolicy.REQUIRED)
        self._supervisor = StreamSupervisor(
            url,
            engines=lambda: engines,
            settings=settings,
            observers=Observers([*subscriptions, reader]),
            repeat=repeat,
            load=load,
        )

    def __enter__(self) -> Self:
        self._supervisor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End for good, from any thread; returns when all threads of the stream have ended."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._supervisor.stop()

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        with self._changed:
            while not self._waiting and not self._over and not self._stopped:
                self._changed.wait()
            if not self._waiting:
                failure = self._supervisor.failure
                if self._failed and failure is not None and not self._stopped:
                    raise failure
                raise StopIteration
            event = self._waiting.popleft()
            self._frames -= isinstance(event, FrameAnalysed)
            self._changed.notify_all()
            return event

    def _put(self, event: Event) -> None:
        with self._changed:
            if isinstance(event, FrameAnalysed):
                if self._frames == FRAMES_HELD:
                    self._waiting.remove(next(one for one in self._waiting if isinstance(one, FrameAnalysed)))
                    self.dropped += 1
                    self._frames -= 1
                self._frames += 1
            while len(self._waiting) - self._frames >= EVENTS_HELD and not self._stopped:
                self._changed.wait()
            self._waiting.append(event)
            if isinstance(event, StreamStateChanged):
                self._over = StreamState(event.state).over
                self._failed = event.state == StreamState.FAILED
            self._changed.notify_all()
