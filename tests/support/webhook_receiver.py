"""A receiver of webhooks: a real HTTP server on loopback that writes down what it receives."""

import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Answer:
    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    hang_up: bool = False  # close the connection instead of an answer
    wait: float = 0.0  # seconds before the answer


@dataclass(frozen=True)
class Received:
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    at: float  # time.monotonic()
    path: str = "/"
    moment: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def message(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def is_signed_with(self, secret: str) -> bool:
        """By the words of the specification: HMAC-SHA256 of id.timestamp.body, by the secret's decoded bytes."""
        content = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), content, hashlib.sha256).digest()
        return self.headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


class Receiver(ThreadingHTTPServer):
    """Answers by ``answer``; ``received`` has all requests that it read, whatever it answered."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, answer: Callable[[Received], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.received = answer, list[Received]()
        self.accepted: list[Received] = []  # answered with 2xx
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}/hook"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that was killed is no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Receiver

    def log_message(self, *_: Any) -> None: ...

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:  # the sender was killed
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        one = Received(headers, body, time.monotonic(), self.path)
        self.server.received.append(one)
        answer = self.server.answer(one)
        time.sleep(answer.wait)
        if answer.hang_up:
            self.close_connection = True
            return
        if 200 <= answer.status < 300:
            self.server.accepted.append(one)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def receiving(
    answer: Callable[[Received], Answer] = lambda _: Answer(), *, certificate: tuple[Path, Path] | None = None
) -> Iterator[Receiver]:
    """A receiver, until the block ends."""
    with Receiver(answer) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.scheme = "https"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
