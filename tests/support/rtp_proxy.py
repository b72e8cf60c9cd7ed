"""Between a camera and who watches it, on loopback: RTSP is passed on, and of its RTP packets some are not.

Over UDP and over TCP alike: the proxy puts its own ports into the conversation, or takes the packets out of it.
"""

import contextlib
import random
import re
import socket
import struct

from support.faults import Proxy

_PORTS = re.compile(rb"client_port=(\d+)-(\d+)")
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_INTERLEAVED = struct.Struct(">cBH")  # "$", channel, length
_CLOCK = 90_000  # ticks a second of RTP timestamps of video


class RtpProxy(Proxy):
    """One camera, one or more who watch it one after the other.

    Args:
        port: of the camera.
        seed: of the losses.
    """

    def __init__(self, port: int, *, seed: int = 0) -> None:
        self.loss = 0.0  # share of the RTP packets that are dropped
        self.shift = 0.0  # seconds by which the timestamps of the rest are off
        self.passed = self.dropped = 0
        self._random = random.Random(seed)
        self._there = ("127.0.0.1", 0)  # where RTP goes
        self._pair = _pair()
        super().__init__(port)
        self._ends += self._pair
        for offset, end in enumerate(self._pair):
            self._start(self._relay, end, offset)

    def through(self, packet: bytes) -> bytes | None:
        """An RTP packet as it goes on; None: it is lost."""
        if self._random.random() < self.loss:
            self.dropped += 1
            return None
        self.passed += 1
        (timestamp,) = struct.unpack_from(">I", packet, 4)
        timestamp = (timestamp + round(self.shift * _CLOCK)) % 2**32
        return packet[:4] + struct.pack(">I", timestamp) + packet[8:]

    def _relay(self, end: socket.socket, offset: int) -> None:
        """Datagrams; those of RTCP go nowhere: its clock would contradict a shifted one."""
        with contextlib.suppress(OSError):
            while packet := end.recv(65_536):
                if not offset and (kept := self.through(packet)) is not None:
                    end.sendto(kept, self._there)

    def _pass_on(self, one: socket.socket, other: socket.socket, damaged: bool) -> None:
        talk = b""
        with contextlib.suppress(OSError):
            while data := one.recv(65_536):
                talk += data
                while message := _first(talk):
                    talk = talk[len(message) :]
                    kept = self._answered(message) if damaged else self._asked(message)
                    other.sendall(kept)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _asked(self, message: bytes) -> bytes:
        if found := _PORTS.search(message):
            self._there = ("127.0.0.1", int(found[1]))
            mine = self._pair[0].getsockname()[1]
            return _PORTS.sub(b"client_port=%d-%d" % (mine, mine + 1), message)
        return message

    def _answered(self, message: bytes) -> bytes:
        if not message.startswith(b"$"):
            port = self._there[1]
            return _PORTS.sub(b"client_port=%d-%d" % (port, port + 1), message)
        _, stream, _ = _INTERLEAVED.unpack_from(message)
        kept = None if stream % 2 else self.through(message[_INTERLEAVED.size :])
        return b"" if kept is None else _INTERLEAVED.pack(b"$", stream, len(kept)) + kept


def _first(talk: bytes) -> bytes:
    """The first whole message of a conversation, b"" if there is none yet."""
    if talk.startswith(b"$"):
        if len(talk) < _INTERLEAVED.size:
            return b""
        length = _INTERLEAVED.size + _INTERLEAVED.unpack_from(talk)[2]
    else:
        head, found, _ = talk.partition(b"\r\n\r\n")
        if not found:
            return b""
        announced = _LENGTH.search(head)
        length = len(head) + 4 + (int(announced[1]) if announced else 0)
    return talk[:length] if len(talk) >= length else b""


def _pair() -> tuple[socket.socket, socket.socket]:
    """Two neighbouring ports, the first even: RTP and RTCP."""
    while True:
        one, other = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
        with contextlib.suppress(OSError):
            if port % 2 == 0:
                other.bind(("127.0.0.1", port + 1))
                return one, other
        one.close()
        other.close()
