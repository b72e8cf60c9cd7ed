"""A web server on loopback that receives the messages of Apprise's json:// targets."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class NotificationReceiver:
    address: str  # host and port
    received: list[dict[str, Any]] = field(default_factory=list)  # messages that were accepted
    arrived_at: list[float] = field(default_factory=list)  # monotonic, of the same
    requests: int = 0
    status: int = 200  # of the next answers
    delay: float = 0.0  # seconds before an answer

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.received]

    def picture(self, number: int = -1) -> bytes | None:
        """The picture of a message."""
        attachments = self.received[number]["attachments"]
        return base64.b64decode(attachments[0]["base64"]) if attachments else None


@contextmanager
def receiving() -> Iterator[NotificationReceiver]:
    """A receiver until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            arrived_at = time.monotonic()
            time.sleep(receiver.delay)
            receiver.requests += 1
            if receiver.status == 200:
                receiver.received.append(content)
                receiver.arrived_at.append(arrived_at)
            self.send_response(receiver.status)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = NotificationReceiver(f"127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
