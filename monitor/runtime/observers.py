"""Passes the events of a stream on to its observers."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from monitor.types import Frame, Observation
from monitor.types.events import Event, frame_events

_log = logging.getLogger(__name__)


class Observer(Protocol):
    """Takes the events of a stream, one at a time, on a thread of the stream; slow work belongs on another thread."""

    def __call__(self, event: Event) -> None: ...


class FailurePolicy(StrEnum):
    """What happens to a stream when an observer raises."""

    REQUIRED = "required"  # the stream ends with the observer's error
    BEST_EFFORT = "best effort"  # the error is logged once per kind and counted; the stream goes on


@dataclass(frozen=True, slots=True)
class Subscription:
    """An observer, its name in logs and counts, and what its failure means."""

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
        """How often each best-effort observer has failed, by name."""
        return dict(self._failures)

    def emit(self, event: Event) -> None:
        """Call every observer.

        Raises:
            Exception: what a required observer raised.
        """
        for subscription in self._subscriptions:
            try:
                subscription.observer(event)
            except Exception as error:
                if subscription.policy is FailurePolicy.REQUIRED:
                    raise
                self._count(subscription.name, error)

    def emit_frame(self, frame: Frame, observation: Observation, *, stream: str, connection: int) -> None:
        """Emit the events of one frame; without observers none is built.

        Raises:
            Exception: what a required observer raised.
        """
        if self._subscriptions:
            for event in frame_events(frame, observation, stream=stream, connection=connection):
                self.emit(event)

    def _count(self, name: str, error: Exception) -> None:
        self._failures[name] += 1
        kind = (name, type(error))
        if kind not in self._logged:
            self._logged.add(kind)
            _log.warning("the observer %s failed, the stream goes on: %s", name, error, exc_info=error)
