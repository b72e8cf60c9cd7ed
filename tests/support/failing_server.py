"""A web server on loopback that fails on purpose, as each test says."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    sent: int | None = None  # bytes of the body before the connection breaks; None: all, -1: no answer at all


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class FailingServer:
    url: str
    asked: list[Asked]


@contextmanager
def failing_server(replies: Sequence[Reply] | Callable[[Asked], Reply]) -> Iterator[FailingServer]:
    """Answers the first request with the first reply and so on, or with what a function returns."""
    asked: list[Asked] = []
    waiting = None if callable(replies) else list(replies)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def _reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append(Asked(self.command, self.path, {n.lower(): v for n, v in self.headers.items()}, body))
            reply = waiting.pop(0) if waiting is not None else replies(asked[-1])  # type: ignore[operator]
            if reply.sent == -1:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: reply.sent])
            if reply.sent is not None:
                self.close_connection = True

        do_GET = do_POST = do_PATCH = do_DELETE = _reply  # noqa: N815 - names of the library

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield FailingServer(f"http://127.0.0.1:{server.server_port}", asked)
        server.shutdown()
        thread.join()
