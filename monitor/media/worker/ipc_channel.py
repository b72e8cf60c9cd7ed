"""Messages between two processes: JSON plus binary payload, over a socket pair."""

import json
import select
import socket
import struct
import threading
import time
from typing import Any, Final

_LENGTHS: Final = struct.Struct("!II")  # bytes of the JSON head, bytes of the payload
_MAX_BYTES: Final = 128 << 20  # largest valid message, bytes; large enough for the packets of a clip
_SEND_TIMEOUT: Final = 10.0  # seconds (wall clock) for the other side to read a message


class IpcError(Exception):
    """The received bytes are not a valid message."""


class IpcChannel:
    """One end of the channel. Only one thread may receive; any thread may send.

    Args:
        end: a connected socket; the channel closes it.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._sending = threading.Lock()

    def send(self, head: dict[str, Any], payload: bytes = b"", *, timeout: float | None = None) -> None:
        """Send a message; paths and fractions in the head become text.

        Args:
            head: a JSON object.
            payload: bytes sent after the head.
            timeout: seconds (wall clock) for the other side to read the message; default: ten.

        Raises:
            OSError: the other side closed the channel.
            TimeoutError: the other side did not read the message in time.
        """
        text = json.dumps(head, default=str).encode()
        message = memoryview(_LENGTHS.pack(len(text), len(payload)) + text + payload)
        deadline = time.monotonic() + (_SEND_TIMEOUT if timeout is None else timeout)
        with self._sending:
            while message:
                self._wait(select.POLLOUT, deadline)
                message = message[self._end.send(message, socket.MSG_DONTWAIT) :]

    def receive(self, timeout: float | None) -> tuple[dict[str, Any], bytes]:
        """Wait for the next message.

        Args:
            timeout: seconds (wall clock) until the whole message must have arrived; None: no limit.

        Raises:
            EOFError: the other side closed the channel.
            TimeoutError: no complete message arrived in time.
            IpcError: the message is invalid.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
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

    def _exactly(self, count: int, deadline: float | None) -> bytearray:
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

    def _wait(self, event: int, deadline: float | None) -> None:
        if not self._poll(event, None if deadline is None else max(0.0, deadline - time.monotonic())):
            raise TimeoutError

    def _poll(self, event: int, timeout: float | None) -> list[tuple[int, int]]:
        poll = select.poll()  # select.select fails for descriptors above 1023
        poll.register(self._end, event)
        return poll.poll(None if timeout is None else 1000 * timeout)
