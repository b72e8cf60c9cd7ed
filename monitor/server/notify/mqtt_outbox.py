"""The messages that wait for the MQTT broker, bounded in number."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MAX_EVENTS: Final = 1000  # waiting events; a newer one replaces the oldest

_log = logging.getLogger(__name__)

Picture = Callable[[], bytes]  # makes a JPEG; called on the thread of the connection


@dataclass(frozen=True, slots=True)
class MqttMessage:
    """One message for the broker."""

    topic: str
    payload: bytes  # empty and retained: the broker forgets the retained message
    qos: int  # 0: sent at most once; 1: at least once
    retain: bool


class MqttOutbox:
    """Collects messages from all threads; :meth:`take` gives them to the connection.

    Of a retained topic, only the newest value counts. Events are sent in order. Pictures are dropped while there is no
    connection.

    Args:
        wake: called after each new message, from any thread; must return at once.
    """

    def __init__(self, wake: Callable[[], None], *, max_events: int = MAX_EVENTS) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._retained: dict[str, bytes] = {}  # by topic, all values that the broker shall know
        self._changed: dict[str, None] = {}  # topics of new values, in order
        self._events: deque[MqttMessage] = deque()
        self._max_events = max_events
        self._pictures: dict[str, Picture] = {}  # the newest by topic
        self._takes_pictures = False
        self.dropped = 0  # events

    def set(self, topic: str, payload: bytes) -> None:
        """Publish a retained value; an equal one is not published again."""
        with self._lock:
            if self._retained.get(topic) == payload:
                return
            self._retained[topic] = payload
            self._changed[topic] = None
        self._wake()

    def clear(self, topic: str) -> None:
        """Make the broker forget the retained value of a topic."""
        self.set(topic, b"")

    def add(self, topic: str, payload: bytes) -> None:
        """Publish an event; if too many wait, the oldest is dropped."""
        with self._lock:
            if len(self._events) >= self._max_events:
                self._events.popleft()
                self.dropped += 1
            self._events.append(MqttMessage(topic, payload, qos=1, retain=False))
        self._wake()

    def offer(self, topic: str, picture: Picture) -> None:
        """Publish a picture, which replaces a waiting one of this topic; ignored without a connection."""
        with self._lock:
            if not self._takes_pictures:
                return
            self._pictures[topic] = picture
        self._wake()

    def connect(self) -> None:
        """A connection exists: publish all retained values again, since the broker may have lost them."""
        with self._lock:
            self._takes_pictures = True
            self._changed = dict.fromkeys(self._retained)

    def disconnect(self) -> None:
        """There is no connection: drop the waiting pictures, which hold whole frames in memory."""
        with self._lock:
            self._takes_pictures = False
            self._pictures.clear()

    @property
    def waiting(self) -> int:
        """The number of waiting messages."""
        with self._lock:
            return len(self._changed) + len(self._events) + len(self._pictures)

    def take(self) -> MqttMessage | None:
        """The next message: retained values first, then events, then pictures; None if none waits."""
        with self._lock:
            if self._changed:
                topic = next(iter(self._changed))
                del self._changed[topic]
                payload = self._retained[topic]
                if not payload:
                    del self._retained[topic]
                return MqttMessage(topic, payload, qos=1, retain=True)
            if self._events:
                return self._events.popleft()
            if not self._pictures:
                return None
            topic = next(iter(self._pictures))
            picture = self._pictures.pop(topic)
        try:
            return MqttMessage(topic, picture(), qos=0, retain=False)
        except Exception:  # noqa: BLE001 - logged with its traceback; the next message is independent
            _log.exception("a picture for MQTT could not be made")
            return None
