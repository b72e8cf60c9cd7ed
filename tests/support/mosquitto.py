"""A real Mosquitto on loopback, and a client that writes down what it receives."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from support.waiting import until

_PROGRAM = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
needs_mosquitto = pytest.mark.skipif(_PROGRAM is None, reason="mosquitto is not installed")


class Broker:
    """A broker of one test, on a free port.

    Args:
        folder: of its files.
        user: name and password that it demands.
        certificate: files of its certificate and key.
    """

    def __init__(
        self, folder: Path, *, user: tuple[str, str] | None = None, certificate: tuple[Path, Path] | None = None
    ) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        lines = [f"listener {self.port} 127.0.0.1", "persistence false", "log_dest stderr", "log_type all"]
        lines.append(f"allow_anonymous {str(user is None).lower()}")
        folder.mkdir(parents=True, exist_ok=True)
        if user is not None:
            passwords = folder / "passwords"
            passwords.touch(mode=0o600)
            subprocess.run(["mosquitto_passwd", "-b", passwords, *user], check=True, capture_output=True)
            lines.append(f"password_file {passwords}")
        if certificate is not None:
            lines += [f"certfile {certificate[0]}", f"keyfile {certificate[1]}"]
        if os.geteuid() == 0:
            lines.append("user root")
        self._file = folder / "mosquitto.conf"
        self._file.write_text("\n".join(lines) + "\n")
        self.log = folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert _PROGRAM is not None
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([_PROGRAM, "-c", self._file], stdout=log, stderr=log)
        until(self._answers, seconds=20)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(20)


@contextmanager
def running(broker: Broker) -> Iterator[Broker]:
    """A running broker; killed at the end."""
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@dataclass(frozen=True)
class Received:
    topic: str
    payload: bytes
    is_retained: bool  # sent by the broker from its memory, not by the publisher just now

    @property
    def json(self) -> Any:
        return json.loads(self.payload)


class Listener:
    """A client that receives all messages; it connects again by itself."""

    def __init__(self, broker: Broker, *, user: tuple[str, str] | None = None, ca_file: Path | None = None) -> None:
        self.messages: list[Received] = []
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._subscribed = False
        if user is not None:
            self._client.username_pw_set(*user)
        if ca_file is not None:
            self._client.tls_set(str(ca_file))
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: setattr(self, "_subscribed", True)
        self._client.on_message = lambda _, __, message: self.messages.append(
            Received(message.topic, message.payload, message.retain)
        )
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        until(lambda: self._subscribed, seconds=20)

    def of(self, topic: str) -> list[Received]:
        return [message for message in self.messages if message.topic == topic]

    def wait(self, topic: str, holds: Callable[[Received], object] = lambda _: True) -> Received:
        """The first message of a topic that the condition holds for."""
        return until(lambda: next((one for one in self.of(topic) if holds(one)), None), seconds=30)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def listening(broker: Broker, **how: Any) -> Iterator[Listener]:
    """A listener until the end of the block."""
    listener = Listener(broker, **how)
    try:
        yield listener
    finally:
        listener.close()


def remembered(broker: Broker, **how: Any) -> dict[str, bytes]:
    """The retained messages of a broker, by topic."""
    with listening(broker, **how) as listener:
        until(_quiet(listener), seconds=20)
        return {one.topic: one.payload for one in listener.messages if one.is_retained}


def _quiet(listener: Listener) -> Callable[[], bool]:
    counts: list[int] = []

    def is_quiet() -> bool:
        counts.append(len(listener.messages))
        return len(counts) > 15 and counts[-1] == counts[-15]  # 0.3 s

    return is_quiet
