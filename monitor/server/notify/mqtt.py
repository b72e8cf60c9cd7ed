"""The outlet for MQTT: state, events and pictures of each stream, with discovery messages for Home Assistant.

``<prefix>/availability``           "online" or "offline", retained; "offline" also as the last will
``<prefix>/<stream>/availability``  the same of one stream: "online" while its pictures arrive
``<prefix>/<stream>/state``         JSON, retained: state, reason, worst label, faces per label
``<prefix>/<stream>/events``        each event except those of single frames, as JSON
``<prefix>/<stream>/snapshot``      JPEG
"""

import json
import logging
import secrets
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from monitor.errors import OutputError
from monitor.flags.archive import default_folder
from monitor.runtime import Observer, Timer
from monitor.server.notify import Outlet, OutletContext, OutletCount, WatchedStream
from monitor.server.notify.mqtt_stream import MqttStream
from monitor.server.notify.mqtt_topics import StreamTopics, discovery_messages, retained_topics, topic_id
from monitor.settings import MqttSettings
from monitor.system.files import write_whole

if TYPE_CHECKING:
    from monitor.server.notify.mqtt_connection import MqttConnection

GRACE: Final = 30.0  # seconds
_SERVER_FILE: Final = "mqtt-server-id"  # in the folder of the flags
_LONGEST_STATE: Final = 65_536  # bytes of a remembered state

_log = logging.getLogger(__name__)


def open_outlet(context: OutletContext) -> Outlet | None:
    """The outlet, or None without ``mqtt.host``.

    Raises:
        UsageError: the settings contradict each other.
    """
    settings = context.settings.mqtt
    if not settings.host:
        return None
    from monitor.server.notify.mqtt_connection import MqttConnection

    folder = (context.settings.evidence.folder or default_folder()).absolute()
    return MqttOutlet(
        settings,
        MqttConnection(settings),
        url=context.settings.dashboard.public_url,
        server=_server_id(folder),
    )


def _server_id(folder: Path) -> str:
    """The id of this server, kept in a file: the host name of a container changes with each update."""
    path = folder / _SERVER_FILE
    with suppress(OSError, UnicodeError):
        if known := path.read_text(encoding="ascii").strip():
            return known
    made = secrets.token_hex(8)
    try:
        write_whole(path, made.encode())
    except OutputError as error:
        _log.warning("streams of this run stay at the MQTT broker if the server is killed: %s", error)
    return made


class MqttOutlet:
    """Publishes all streams.

    Args:
        settings: topics and pictures.
        connection: to the broker.
        url: of the dashboard, shown by Home Assistant; "" for none.
        server: id of this server, the same after a restart.
        grace: seconds (wall clock) in which a stream of an earlier run may come back; then the broker forgets it.
    """

    name = "mqtt"

    def __init__(
        self, settings: MqttSettings, connection: "MqttConnection", *, url: str, server: str, grace: float = GRACE
    ) -> None:
        self._settings, self._connection, self._url, self._server = settings, connection, url, server
        self._lock = threading.Lock()
        self._streams: dict[str, MqttStream] = {}  # by the id of the stream
        self._remembered: set[str] = set()  # topic ids of this server's streams that the broker knows from before
        self._suspected: set[str] = set()  # those that were not watched at the last look
        self._cleaner = Timer("forgotten streams", self._clear_forgotten, every=grace)

    def start(self) -> None:
        """Begin to connect."""
        self._connection.recall(StreamTopics(self._settings.topic_prefix, "+").state, self._recall)
        self._connection.start()
        self._cleaner.start()

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
                server=self._server,
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
                self._clear(observer.topics)

    def _clear(self, topics: StreamTopics) -> None:
        for topic in retained_topics(topics, discovery_prefix=self._settings.discovery_prefix):
            self._connection.outbox.clear(topic)

    def _recall(self, topic: str, payload: bytes) -> None:
        """Note a state that the broker remembers, if this server published it, perhaps before a crash."""
        if len(payload) > _LONGEST_STATE:
            return
        with suppress(ValueError, AttributeError, RecursionError):  # another program's message
            if json.loads(payload).get("server") == self._server:
                with self._lock:
                    self._remembered.add(topic.split("/")[-2])

    def _clear_forgotten(self) -> None:
        """Clear the streams of an earlier run that did not come back between two looks."""
        with self._lock:
            unknown = self._remembered - {observer.topics.id for observer in self._streams.values()}
            forgotten, self._suspected = unknown & self._suspected, unknown
            self._remembered -= forgotten
            for one in forgotten:
                self._clear(StreamTopics(self._settings.topic_prefix, one))

    def close(self) -> None:
        """Publish that all streams are offline."""
        with self._lock:
            streams = tuple(self._streams.values())
        for stream in streams:
            stream.end()
        self._cleaner.stop(timeout=0.1)
        self._connection.close()

    @property
    def waiting(self) -> int:
        """The number of waiting messages."""
        return self._connection.outbox.waiting

    def counts(self) -> Iterable[OutletCount]:
        """Numbers of messages."""
        outbox = self._connection.outbox
        yield OutletCount(
            outlet=self.name, delivered=self._connection.sent, lost=outbox.dropped, waiting=outbox.waiting
        )
