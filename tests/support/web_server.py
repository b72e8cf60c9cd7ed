"""A web server on loopback that serves a folder and records what was asked for."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class WebServer:
    url: str  # without a slash at its end
    asked: list[str]  # paths, in order


@contextmanager
def web_server(folder: Path) -> Iterator[WebServer]:
    """Serve a folder until the block ends."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield WebServer(f"http://127.0.0.1:{server.server_port}", asked)
        server.shutdown()
        thread.join()
