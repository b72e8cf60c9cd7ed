"""What two processes say to each other: JSON with bytes behind it, over a pair of sockets."""

import json
import select
import socket
import struct
import threading
import time
from typing import Any, Final

_LENGTHS: Final = struct.Struct("!II")  # bytes of the head, bytes behind it
_MOST: Final = 128 << 20  # bytes of a message, such as the packets of a clip: what is longer is no message of ours
_PATIENCE: Final = 10.0  # seconds (wall clock) that the other side may take to read


class IpcError(Exception):
    """What came is no message of ours."""


class IpcChannel:
    """One end. One thread receives; any may send.

    Args:
        end: connected; owned by the wire.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._sending = threading.Lock()

    def send(self, head: dict[str, Any], payload: bytes = b"", *, timeout: float | None = None) -> None:
        """Say something; paths and fractions in the head become text.

        Args:
            head: a value of JSON.
            payload: goes behind it.
            timeout: seconds (wall clock) that the other side may take to read it; default: ten.

        Raises:
            OSError: nobody is there any more.
            TimeoutError: or nobody reads.
        """
        text = json.dumps(head, default=str).encode()
        message = memoryview(_LENGTHS.pack(len(text), len(payload)) + text + payload)
        deadline = time.monotonic() + (_PATIENCE if timeout is None else timeout)
        with self._sending:
            while message:
                self._wait(select.POLLOUT, deadline)
                message = message[self._end.send(message, socket.MSG_DONTWAIT) :]

    def receive(self, timeout: float | None) -> tuple[dict[str, Any], bytes]:
        """What the other side says next.

        Args:
            timeout: seconds (wall clock) until it must have been said; None: as long as it takes.

        Raises:
            EOFError: the other side is gone.
            TimeoutError: it says nothing, or does not come to an end.
            IpcError: it says nonsense.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        head_length, payload_length = _LENGTHS.unpack(self._exactly(_LENGTHS.size, deadline))
        if head_length + payload_length > _MOST:
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

    def waits(self) -> bool:
        """Whether there is something to receive."""
        return bool(self._poll(select.POLLIN, 0))

    def close(self) -> None:
        """Hang up."""
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
        poll = select.poll()  # not select.select: it knows no descriptor beyond 1023
        poll.register(self._end, event)
        return poll.poll(None if timeout is None else 1000 * timeout)
