"""Dispatches the events of a stream to its observers."""

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

from monitor.runtime.verdict_collector import VerdictCollector
from monitor.types import Flag, Frame, Observation, Segment, SourceInfo, TrackSummary
from monitor.types.events import Event, FlagCommitted, StreamClosed, StreamOpened, StreamStateChanged, frame_events
from monitor.types.stats import SessionStats

_log = logging.getLogger(__name__)


class Observer(Protocol):
    """Receives the events of a stream, one at a time, on a thread of the stream; move slow work to another thread."""

    def __call__(self, event: Event) -> None: ...


class FailurePolicy(StrEnum):
    """The effect of an observer's failure on its stream."""

    REQUIRED = "required"  # the stream ends with the observer's error
    BEST_EFFORT = "best effort"  # the error is logged once per kind and counted; the stream goes on


@dataclass(frozen=True, slots=True)
class Subscription:
    """An observer with its name in logs and counts, and its failure policy."""

    observer: Observer
    name: str
    policy: FailurePolicy = FailurePolicy.BEST_EFFORT


class Observers:
    """The observers of one stream, called in order.

    >>> observers = Observers([Subscription(print, "terminal")])
    >>> bool(observers), bool(Observers())
    (True, False)
    """

    def __init__(self, subscriptions: Iterable[Subscription] = ()) -> None:
        self._subscriptions = tuple(subscriptions)
        self._failures: Counter[str] = Counter()
        self._logged: set[tuple[str, type[Exception]]] = set()

    def __bool__(self) -> bool:
        return bool(self._subscriptions)

    @property
    def failures(self) -> Mapping[str, int]:
        """Number of failures of each best-effort observer, by name."""
        return dict(self._failures)

    def emit(self, event: Event) -> None:
        """Call every observer, even after another one has failed.

        Raises:
            Exception: the first error of a required observer, raised after the last call.
        """
        failure: Exception | None = None
        for subscription in self._subscriptions:
            try:
                subscription.observer(event)
            except Exception as error:  # noqa: BLE001 - raised below, or counted
                if subscription.policy is FailurePolicy.REQUIRED:
                    failure = failure or error
                else:
                    self._count(subscription.name, error)
        if failure is not None:
            raise failure

    def emit_frame(self, frame: Frame, observation: Observation, *, stream: str, connection: int) -> None:
        """Emit the events of one frame; without observers, no event is built."""
        if self._subscriptions:
            for event in frame_events(frame, observation, stream=stream, connection=connection):
                self.emit(event)

    def _count(self, name: str, error: Exception) -> None:
        self._failures[name] += 1
        kind = (name, type(error))
        if kind not in self._logged:
            self._logged.add(kind)
            _log.warning("the observer %s failed, the stream goes on: %s", name, error, exc_info=error)


class StreamEvents:
    """Emits the events of one stream, one at a time; a sink of its sessions.

    Args:
        stream: display name, secrets masked.
        connections: number of earlier connections; the next one has the next number.
    """

    def __init__(self, observers: Observers, *, stream: str, connections: int = 0) -> None:
        self._observers, self._stream = observers, stream
        self._lock = threading.RLock()
        self._collector = VerdictCollector()
        self.connection = connections  # number of the connection, from 1; 0 before the first

    @property
    def failures(self) -> Mapping[str, int]:
        """Number of failures of each best-effort observer, by name."""
        return self._observers.failures

    def open(self, source: SourceInfo, *, engine: str, model: str) -> None:
        """Emit ``StreamOpened`` and begin the next connection."""
        self.connection += 1
        self._collector = VerdictCollector()
        self._emit(StreamOpened(**self._common(), source=source, engine=engine, model=model))

    def __call__(self, frame: Frame, observation: Observation) -> None:
        """Emit the events of an analysed frame."""
        with self._lock:
            self._collector(frame, observation)
            self._observers.emit_frame(frame, observation, stream=self._stream, connection=self.connection)

    def close(
        self,
        segments: Sequence[Segment],
        tracks: Sequence[TrackSummary],
        *,
        stats: SessionStats,
        failure: Exception | None,
    ) -> None:
        """Emit ``StreamClosed``."""
        self._collector.finish(segments, tracks)
        closed = StreamClosed(
            **self._common(),
            verdict=self._collector.verdict,
            segments=tuple(segments),
            tracks=tuple(tracks),
            frames=stats,
            failure="" if failure is None else str(failure),
            error=failure,
        )
        self._emit(closed)

    def change_state(self, state: str, *, reason: str, attempt: int, retry_after: float | None) -> None:
        """Emit ``StreamStateChanged``."""
        changed = StreamStateChanged(
            **self._common(), state=state, reason=reason, attempt=attempt, retry_after=retry_after
        )
        self._emit(changed)

    def commit_flag(self, flag: Flag) -> None:
        """Emit ``FlagCommitted``."""
        self._emit(FlagCommitted(**self._common(), flag=flag))

    def _common(self) -> dict[str, Any]:
        return {"stream": self._stream, "connection": self.connection, "at": datetime.now(UTC)}

    def _emit(self, event: Event) -> None:
        with self._lock:
            self._observers.emit(event)
