"""A stream as an iterator of its events."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Self

from monitor.runtime import FailurePolicy, StreamState, StreamSupervisor, Subscription
from monitor.types.events import Event, FrameAnalysed, StreamStateChanged

FRAMES_HELD: Final = 8  # limit of waiting FrameAnalysed events, which contain pixels
EVENTS_HELD: Final = 1000  # limit of other waiting events; beyond it, the stream waits for the reader and drops frames


class Watch:
    """Watches a stream during its ``with`` block; iterate over it for the events until the end of the stream.

    Events wait for the reader. If more than 8 ``FrameAnalysed`` events wait, the oldest is dropped and counted in
    ``dropped``; no other event is dropped.

    Args:
        supervise: makes the stream's supervisor with the given observer, which must be the last one.

    Raises:
        MonitorError: from the iteration, after the last event: the stream failed for good.
    """

    def __init__(self, supervise: Callable[[Subscription], StreamSupervisor]) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Event] = deque()
        self._frames = 0  # number of FrameAnalysed events among them
        self._stopped = self._over = self._failed = False
        self.dropped = 0  # number of dropped FrameAnalysed events
        self._supervisor = supervise(Subscription(self._put, "reader", FailurePolicy.REQUIRED))

    def __enter__(self) -> Self:
        self._supervisor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the stream and wait for all of its threads; thread-safe."""
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
                    self._waiting.remove(
                        next(waiting for waiting in self._waiting if isinstance(waiting, FrameAnalysed))
                    )
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
