"""Messages between two processes: JSON plus binary payload, over a socket pair."""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any, Final

_LENGTHS: Final = struct.Struct("!II")  # bytes of the JSON head, bytes of the payload
_MAX_BYTES: Final = 128 << 20  # largest valid message, bytes; large enough for the packets of a clip
_TICK: Final = 0.25  # seconds (wall clock) between two looks at the clock
_SEND_TIMEOUT: Final = 10.0  # seconds of the clock for the other side to read a message


class IpcError(Exception):
    """The received bytes are not a valid message."""


class _Deadline:
    """The time-out of one message. The clock is asked only while the message does not come, because asking is slow."""

    def __init__(self, timeout: float, clock: Callable[[], float]) -> None:
        self._clock, self._timeout = clock, timeout
        self._end: float | None = None  # of the clock; None: not asked yet
        self.remaining = timeout  # seconds of the clock

    def look(self) -> None:
        """Ask the clock, after a wait without the message."""
        now = self._clock()
        if self._end is None:
            self._end = now + self._timeout - min(_TICK, self._timeout)
        self.remaining = max(0.0, self._end - now)


class IpcChannel:
    """One end of the channel. Only one thread may receive; any thread may send.

    Args:
        end: a connected socket; the channel closes it.
        clock: of all time-outs, seconds; a ``ProcessClock`` counts the seconds that the other side had for its work.
    """

    def __init__(self, end: socket.socket, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._end = end
        self.clock = clock
        self._sending = threading.Lock()

    def send(self, head: dict[str, Any], payload: bytes = b"", *, timeout: float | None = None) -> None:
        """Send a message; paths and fractions in the head become text.

        Args:
            head: a JSON object.
            payload: bytes sent after the head.
            timeout: seconds of the clock for the other side to read the message; default: ten.

        Raises:
            OSError: the other side closed the channel.
            TimeoutError: the other side did not read the message in time.
        """
        text = json.dumps(head, default=str).encode()
        message = memoryview(_LENGTHS.pack(len(text), len(payload)) + text + payload)
        deadline = _Deadline(_SEND_TIMEOUT if timeout is None else timeout, self.clock)
        with self._sending:
            while message:
                self._wait(select.POLLOUT, deadline)
                message = message[self._end.send(message, socket.MSG_DONTWAIT) :]

    def receive(self, timeout: float | None) -> tuple[dict[str, Any], bytes]:
        """Wait for the next message.

        Args:
            timeout: seconds of the clock until the whole message must have arrived; None: no limit.

        Raises:
            EOFError: the other side closed the channel.
            TimeoutError: no complete message arrived in time.
            IpcError: the message is invalid.
        """
        deadline = None if timeout is None else _Deadline(timeout, self.clock)
        head_length, payload_length = _LENGTHS.unpack(self._exactly(_LENGTHS.size, deadline))
        if head_length + payload_length > _MAX_BYTES:
            raise IpcError(f"a message of {head_length + payload_length} bytes")
        text = self._exactly(head_length, deadline)
        payload = self._exactly(payload_length, deadline)
        try:
            head = json.loads(text)
        except ValueError as error:
            raise IpcError("a head that is no JSON") from error
        if not isinstance(head, dict):
            raise IpcError("a head that is no object")
        return head, bytes(payload)

    def has_message(self) -> bool:
        """Whether a message, or the end of the channel, can be read now."""
        return bool(self._poll(select.POLLIN, 0))

    def close(self) -> None:
        """Close this end."""
        self._end.close()

    def _exactly(self, count: int, deadline: _Deadline | None) -> bytearray:
        received = bytearray(count)
        left = memoryview(received)
        while left:
            self._wait(select.POLLIN, deadline)
            try:
                got = self._end.recv_into(left)
            except ConnectionError:
                got = 0
            if not got:
                raise EOFError
            left = left[got:]
        return received

    def _wait(self, event: int, deadline: _Deadline | None) -> None:
        if deadline is None:
            self._poll(event, None)
            return
        while not self._poll(event, min(_TICK, deadline.remaining)):
            deadline.look()
            if deadline.remaining <= 0 and not self._poll(event, 0):
                raise TimeoutError

    def _poll(self, event: int, timeout: float | None) -> list[tuple[int, int]]:
        poll = select.poll()  # select.select fails for descriptors above 1023
        poll.register(self._end, event)
        return poll.poll(None if timeout is None else 1000 * timeout)
