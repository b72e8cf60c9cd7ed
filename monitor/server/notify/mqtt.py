"""The outlet for MQTT: state, events and pictures of each stream, with discovery messages for Home Assistant.

``<prefix>/availability``           "online" or "offline", retained; "offline" also as the last will
``<prefix>/<stream>/availability``  the same of one stream: "online" while its pictures arrive
``<prefix>/<stream>/state``         JSON, retained: state, reason, worst label, faces per label
``<prefix>/<stream>/events``        each event except those of single frames, as JSON
``<prefix>/<stream>/snapshot``      JPEG
"""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from monitor.runtime import Observer
from monitor.server.notify import Outlet, OutletContext, WatchedStream
from monitor.server.notify.mqtt_stream import MqttStream
from monitor.server.notify.mqtt_topics import StreamTopics, discovery_messages, topic_id
from monitor.settings import MqttSettings

if TYPE_CHECKING:
    from monitor.server.notify.mqtt_connection import MqttConnection


def open_outlet(context: OutletContext) -> Outlet | None:
    """The outlet, or None without ``mqtt.host``.

    Raises:
        UsageError: the settings contradict each other.
    """
    settings = context.settings.mqtt
    if not settings.host:
        return None
    from monitor.server.notify.mqtt_connection import MqttConnection

    return MqttOutlet(settings, MqttConnection(settings), url=context.settings.dashboard.public_url)


class MqttOutlet:
    """Publishes all streams.

    Args:
        settings: topics and pictures.
        connection: to the broker.
        url: of the dashboard, shown by Home Assistant; "" for none.
    """

    name = "mqtt"

    def __init__(self, settings: MqttSettings, connection: "MqttConnection", *, url: str = "") -> None:
        self._settings, self._connection, self._url = settings, connection, url
        self._lock = threading.Lock()
        self._streams: dict[str, MqttStream] = {}  # by the id of the stream

    def start(self) -> None:
        """Begin to connect."""
        self._connection.start()

    def watch(self, stream: WatchedStream) -> Observer:
        """The observer of a new stream, with its own topics."""
        with self._lock:
            topics = StreamTopics(self._settings.topic_prefix, self._free_id(stream))
            observer = MqttStream(
                stream,
                topics=topics,
                outbox=self._connection.outbox,
                describe=lambda name: self._describe(topics, name),
                snapshots=self._settings.snapshots,
            )
            self._streams[stream.id] = observer
        return observer

    def _free_id(self, stream: WatchedStream) -> str:
        """The short name of the stream's address; of several streams of one address, the later ones get a number."""
        taken = {other.topics.id for other in self._streams.values()}
        name = topic_id(stream.address)
        names = [name, *(f"{name}-{number}" for number in range(2, len(taken) + 2))]
        return next(name for name in names if name not in taken)

    def _describe(self, topics: StreamTopics, name: str) -> Mapping[str, Mapping[str, object]]:
        if not self._settings.discovery_prefix:
            return {}
        return discovery_messages(
            topics,
            name=name,
            discovery_prefix=self._settings.discovery_prefix,
            snapshots=self._settings.snapshots,
            url=self._url,
        )

    def forget(self, stream: WatchedStream) -> None:
        """Make the broker forget the stream."""
        with self._lock:
            observer = self._streams.pop(stream.id, None)
        if observer is not None:
            observer.clear()

    def close(self) -> None:
        """Publish that all streams are offline."""
        with self._lock:
            streams = tuple(self._streams.values())
        for stream in streams:
            stream.end()
        self._connection.close()

    @property
    def waiting(self) -> int:
        """The number of waiting messages."""
        return self._connection.outbox.waiting

    @property
    def counts(self) -> Mapping[str, int]:
        """Numbers of messages by outcome."""
        return {"sent": self._connection.sent, "dropped": self._connection.outbox.dropped}
