"""The longest time of one attempt, however slowly the receiver sends its answer."""

import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Self

from monitor.runtime import PacedJob

_CONNECTED: Final = frozenset(("connection.connect_tcp.complete", "connection.start_tls.complete"))  # httpcore's names


class AttemptDeadline:
    """Breaks the connection of an attempt that takes too long; a time-out of HTTPX is that of each read only.

    It is entered for each attempt, by one thread at a time. Its own thread looks once in the longest time, and at the
    end of the attempt that it finds then.

    Args:
        longest: seconds (wall clock) of one attempt.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None  # of the newest connection
        self._end: float | None = None  # of the running attempt, time.monotonic(); None: none runs
        self.is_over = False  # whether the newest attempt took too long
        self._job = PacedJob("webhook deadline", self._look)
        self._job.start()

    def __enter__(self) -> Self:
        with self._lock:
            self.is_over, self._end = False, time.monotonic() + self._longest
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._end = None

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Remembers the connections of a request: HTTPX's extension ``trace``."""
        if event in _CONNECTED:
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
                if self.is_over:
                    self._break()

    def close(self) -> None:
        """Ends the thread."""
        self._job.stop()

    def _look(self) -> float:
        """Breaks the connection if it is time; returns the seconds until the next look."""
        with self._lock:
            if self._end is None:
                return self._longest
            left = self._end - time.monotonic()
            if left > 0:
                return left
            self.is_over, self._end = True, None
            self._break()
            return self._longest

    def _break(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # it is closed already
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # TLS's own would pull its state from the reader
