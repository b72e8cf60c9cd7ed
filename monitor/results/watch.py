"""A watched stream as an iterator of its events."""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, Self

from monitor.analysis.pipeline import Engines
from monitor.analysis.verdicts import source_verdict
from monitor.media.sources import Source
from monitor.results.recorder import VerdictCollector
from monitor.runtime import (
    ConnectionSummary,
    FailurePolicy,
    LoadShedder,
    Observers,
    StreamEvents,
    StreamState,
    StreamSupervisor,
    Subscription,
    Timer,
)
from monitor.settings import Settings
from monitor.system.masking import mask
from monitor.types import Frame, Observation
from monitor.types.events import Event, FrameAnalysed

FRAMES_HELD: Final = 8  # FrameAnalysed events that wait for the reader; they hold pixels
EVENTS_HELD: Final = (
    1000  # all others: the stream waits for the reader beyond that, and drops frames as when it is slow
)
_LOOK: Final = 0.1  # seconds between two looks at the state


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
        reader = Subscription(self._put, "reader", FailurePolicy.REQUIRED)
        self._events = StreamEvents(Observers([*subscriptions, reader]), stream=mask(url))
        self._engines = engines
        self._collector = VerdictCollector()
        self._changed = threading.Condition()
        self._waiting: deque[Event] = deque()
        self._frames = 0  # FrameAnalysed among them
        self._stopped = self._over = False
        self._state = (StreamState.CONNECTING, "")
        self.dropped = 0  # FrameAnalysed events that the reader was too slow for
        self._supervisor = StreamSupervisor(
            url, engines=lambda: engines, settings=settings, audience=self, repeat=repeat, load=load
        )
        self._timer = Timer("watch state", self._follow_state, every=_LOOK)

    def __enter__(self) -> Self:
        self._supervisor.start()
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End for good, from any thread; returns when all threads of the stream have ended."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._supervisor.stop()
        self._timer.stop()

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        with self._changed:
            while not self._waiting and not self._over and not self._stopped:
                self._changed.wait()
            if not self._waiting:
                failure = self._supervisor.failure
                if self._over and self._state[0] is StreamState.FAILED and failure is not None and not self._stopped:
                    raise failure
                raise StopIteration
            event = self._waiting.popleft()
            self._frames -= isinstance(event, FrameAnalysed)
            self._changed.notify_all()
            return event

    def opened(self, source: Source, epoch: int) -> None:  # noqa: ARG002 - counted by the events themselves
        """A source is open, or open again; on the stream's thread."""
        self._collector = VerdictCollector()
        self._events.open(source.info, engine=self._engines.scorer.engine.name, model=self._engines.classifier.card.id)

    def __call__(self, frame: Frame, observation: Observation) -> None:
        """A frame was analysed; on the analysis thread."""
        self._collector(frame, observation)
        self._events(frame, observation)

    def closed(self, ending: ConnectionSummary) -> None:
        """A connection is over; on the stream's thread."""
        self._collector.finish(ending.segments, ending.tracks)
        verdict = source_verdict(self._collector.tracks)
        self._events.close(verdict, ending.segments, ending.tracks, stats=ending.stats, failure=ending.failure)

    def _follow_state(self) -> None:
        status = self._supervisor.status
        state = (status.state, "" if status.state is StreamState.STALLED else status.why)
        if state != self._state:
            self._state = state
            self._events.change_state(
                status.state, reason=status.why, attempt=status.attempt, retry_after=status.next_try
            )
        if status.state.over:
            with self._changed:
                self._over = True
                self._changed.notify_all()

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
            self._changed.notify_all()
