"""The connection to an MQTT broker: one thread, which reconnects by itself."""

import logging
import random
import secrets
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from monitor.errors import UsageError
from monitor.runtime import Timer
from monitor.server.notify.mqtt_outbox import MqttOutbox
from monitor.server.notify.mqtt_topics import OFFLINE, ONLINE, server_availability
from monitor.settings import MqttSettings

FIRST_BACKOFF: Final = 0.5  # seconds until the first new attempt; doubles with each attempt
MAX_BACKOFF: Final = 30.0  # seconds
CLOSE_TIMEOUT: Final = 1.0  # seconds for the last messages
_KEEP_ALIVE: Final = 20  # seconds between two signs of life
_CONNECT_TIMEOUT: Final = 5.0  # seconds
_TICK: Final = 1.0  # seconds
_MAX_IN_FLIGHT: Final = 20  # messages without an acknowledgement
_RESTART: Final = 5.0  # seconds until the thread's work starts again after an unexpected error
_REFUSED: Final = ("Bad user name or password", "Not authorized")

_log = logging.getLogger(__name__)


class MqttConnection:
    """Sends the messages of an outbox to the broker of the settings.

    Messages with QoS 1 that were under way when the connection broke are sent again.

    Args:
        settings: with a host.

    Raises:
        UsageError: the settings contradict each other, or the file of certificates cannot be read.
    """

    def __init__(self, settings: MqttSettings) -> None:
        self._address = settings.host, settings.port or (8883 if settings.tls else 1883)
        self._availability = server_availability(settings.topic_prefix)
        self._client = _open_client(settings)
        self._client.on_connect, self._client.on_disconnect = self._on_connect, self._on_disconnect
        self._client.on_publish, self._client.on_message = self._on_publish, self._on_message
        self._client.on_socket_open = _send_at_once
        self._wanted = ""  # topic filter
        self._receive: Callable[[str, bytes], None] | None = None
        self._waker: socket.socket | None = None  # wakes the thread
        self.outbox = MqttOutbox(self._wake)
        self._thread = Timer("mqtt", self._run, every=_RESTART)
        self._closing = threading.Event()
        self._deadline = float("inf")  # monotonic, of the last messages
        self._in_flight: set[int] = set()
        self._problem = ""  # of the last attempt; "" while connected
        self._reported = ""  # the last problem in the log
        self.is_connected = self._was_accepted = False
        self.sent = 0  # messages that the broker has acknowledged, and pictures

    def recall(self, topics: str, receive: Callable[[str, bytes], None]) -> None:
        """Ask for retained messages after each connect; call it before ``start``.

        Args:
            topics: topic filter.
            receive: called with topic and payload, on the thread of the connection.
        """
        self._wanted, self._receive = topics, receive

    def start(self) -> None:
        """Start the thread."""
        self.outbox.set(self._availability, ONLINE)
        self._thread.start()

    def close(self) -> None:
        """Send the waiting messages within a second, say good-bye, end the thread."""
        self.outbox.set(self._availability, OFFLINE)
        self._deadline = time.monotonic() + CLOSE_TIMEOUT
        self._closing.set()
        self._wake()
        self._thread.stop(timeout=CLOSE_TIMEOUT + 0.5)

    def _wake(self) -> None:
        waker = self._waker
        with suppress(OSError):  # the buffer is full, and the thread wakes anyway; or it has ended
            if waker is not None:
                waker.send(b"!")

    @property
    def _name(self) -> str:
        return f"{self._address[0]}:{self._address[1]}"

    def _run(self) -> None:
        waker, wakened = socket.socketpair()
        with waker, wakened:
            waker.settimeout(0)
            self._waker = waker
            backoff = FIRST_BACKOFF
            while not self._closing.is_set():
                if self._connect() and self._serve(wakened):
                    backoff = FIRST_BACKOFF
                self._report()
                self._closing.wait(backoff * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
                backoff = min(MAX_BACKOFF, 2 * backoff)

    def _connect(self) -> bool:
        self.is_connected = self._was_accepted = False
        try:
            self._client.connect(*self._address, keepalive=_KEEP_ALIVE)
        except ssl.SSLCertVerificationError as error:
            self._problem = (
                f"the certificate of the MQTT broker {self._name} is not trusted ({error.verify_message}): name it, or "
                "its issuer, in mqtt.ca_file"
            )
        except ssl.SSLError as error:
            self._problem = (
                f"the MQTT broker {self._name} does not speak TLS ({error.reason or error}): "
                "check mqtt.port and mqtt.tls"
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            self._problem = (
                f"the MQTT broker {self._name} cannot be reached ({reason}): check mqtt.host, mqtt.port "
                "and mqtt.tls, and whether it runs"
            )
        else:
            self._problem = f"the MQTT broker {self._name} closed the connection: check mqtt.port and mqtt.tls"
            return True
        return False

    def _serve(self, wakened: socket.socket) -> bool:
        """Exchange messages until the connection is lost, or until the last message after ``close``.

        Returns:
            Whether the broker had accepted the connection.
        """
        while (connection := self._client.socket()) is not None:
            if self._closing.is_set() and self._is_done():
                self._client.disconnect()
                break
            self._wait(connection, wakened)
            if self._client.socket() is not None:
                self._client.loop_misc()
            if self.is_connected:
                self._publish()
        return self._was_accepted

    def _is_done(self) -> bool:
        is_empty = self.is_connected and not self._in_flight and not self.outbox.waiting
        return is_empty or time.monotonic() > self._deadline

    @property
    def _tick(self) -> float:
        """Seconds to wait for messages, at most until the deadline."""
        return max(0.0, min(_TICK, self._deadline - time.monotonic()))

    def _wait(self, connection: Any, wakened: socket.socket) -> None:  # noqa: ANN401 - a socket, or a class of paho
        """Wait for the broker, for a new message or a second, and read and write what can be read and written."""
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._client.want_write() else 0)
        pending = isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
        with selectors.DefaultSelector() as selector:
            selector.register(connection, wanted)
            selector.register(wakened, selectors.EVENT_READ)
            ready = {key.fileobj: events for key, events in selector.select(0.0 if pending else self._tick)}
        if wakened in ready:
            with suppress(OSError):
                wakened.recv(4096)
        events = ready.get(connection, 0)
        if pending or events & selectors.EVENT_READ:
            self._client.loop_read()
        if events & selectors.EVENT_WRITE and self._client.socket() is not None:
            self._client.loop_write()

    def _publish(self) -> None:
        while self.is_connected and len(self._in_flight) < _MAX_IN_FLIGHT and not self._client.want_write():
            message = self.outbox.take()
            if message is None:
                return
            sent = self._client.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)
            if message.qos:
                self._in_flight.add(sent.mid)

    def _on_connect(
        self, _client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            advice = "check mqtt.username and mqtt.password" if str(reason) in _REFUSED else "look into its log"
            self._problem = f"the MQTT broker {self._name} refuses the connection ({str(reason).lower()}): {advice}"
            return
        _log.info("connected to the MQTT broker %s", self._name)
        self.is_connected = self._was_accepted = True
        self._problem = self._reported = ""
        self.outbox.connect()
        if self._wanted:
            self._client.subscribe(self._wanted, qos=1)

    def _on_disconnect(
        self,
        _client: Client,
        _data: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if self.is_connected:
            self._problem = f"the connection to the MQTT broker {self._name} was lost ({str(reason).lower()})"
        self.is_connected = False
        self.outbox.disconnect()

    def _on_publish(
        self, _client: Client, _data: object, mid: int, _reason: ReasonCode, _properties: Properties
    ) -> None:
        self._in_flight.discard(mid)
        self.sent += 1

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if message.retain and self._receive is not None:  # not one that this program has just published
            self._receive(message.topic, bytes(message.payload))

    def _report(self) -> None:
        """Log a new problem once, not at each attempt."""
        if self._problem and self._problem != self._reported and not self._closing.is_set():
            _log.warning("%s; events wait, and the program tries again by itself", self._problem)
            self._reported = self._problem


def _send_at_once(_client: Client, _data: object, opened: Any) -> None:  # noqa: ANN401 - a socket, or a class of paho
    """Send small messages without Nagle's algorithm, which holds the second of two up to 40 ms back."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _open_client(settings: MqttSettings) -> Client:
    if settings.password.get_secret_value() and not settings.username:
        raise UsageError("mqtt.password is set, but mqtt.username is empty: MQTT needs both")
    if settings.ca_file is not None and not settings.tls:
        raise UsageError("mqtt.ca_file is set, but mqtt.tls is off: set mqtt.tls to true")
    client = Client(CallbackAPIVersion.VERSION2, client_id=f"deepfake-monitor-{secrets.token_hex(4)}")
    client.connect_timeout = _CONNECT_TIMEOUT
    client.max_inflight_messages_set(_MAX_IN_FLIGHT)
    client.will_set(server_availability(settings.topic_prefix), OFFLINE, qos=1, retain=True)
    if settings.username:
        client.username_pw_set(settings.username, settings.password.get_secret_value() or None)
    if settings.tls:
        try:
            client.tls_set_context(ssl.create_default_context(cafile=settings.ca_file))
        except OSError as error:  # also SSLError
            raise UsageError(
                f"mqtt.ca_file {settings.ca_file} cannot be read ({error.strerror or error}): name a PEM file of "
                "certificates"
            ) from None
    return client
