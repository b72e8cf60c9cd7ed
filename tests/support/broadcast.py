"""A sender over HTTP that can change its programme in the middle: transport streams of a face, at their own speed."""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from monitor.media.sources import open_source
from monitor.types import Pixels

FPS = 25
SIZE = (640, 360)  # width, height
_PACKET = 188  # bytes of a transport stream's packet
_STEP = 0.04  # seconds
_OPTIONS = {"libx265": {"x265-params": "log-level=none:pools=1:frame-threads=1:bframes=0"}}


@cache
def pictures() -> list[Pixels]:
    """Three seconds of the demo, (H, W, 3) RGB: its speaker, whom the detector finds at once."""
    with open_source("demo:") as source:
        frames = [frame.pixels for frame in itertools.islice(source, 3 * FPS)]
    return [np.asarray(cv2.resize(pixels, SIZE, interpolation=cv2.INTER_AREA), np.uint8) for pixels in frames]


def film(
    path: Path, *, seconds: float, size: tuple[int, int] = SIZE, codec: str = "libx264", begins: float = 0.0
) -> Path:
    """A film of these pictures, again and again.

    Args:
        path: its suffix chooses the container.
        seconds: how long it is.
        size: width, height.
        codec: FFmpeg's name of an encoder.
        begins: timestamp of the first picture, seconds.
    """
    shown = pictures()
    options = {"preset": "ultrafast", "g": "25", "bf": "0", "threads": "1", **_OPTIONS.get(codec, {})}
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(round(seconds * FPS)):
            pixels = np.asarray(cv2.resize(shown[number % len(shown)], size, interpolation=cv2.INTER_AREA), np.uint8)
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            picture.pts, picture.time_base = round(begins * FPS) + number, Fraction(1, FPS)
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
    return path


class Programme:
    """What is sent: to each who asks from its begin, and on to whatever it is changed to."""

    def __init__(self, data: bytes, seconds: float) -> None:
        self.show(data, seconds)

    def show(self, data: bytes, seconds: float) -> None:
        """Send this from now on, at the speed at which so many seconds pass."""
        self.data, self.rate = data, len(data) / seconds

    def chunks(self) -> Iterator[bytes]:
        """For one who asks; ends with what is sent."""
        data, sent, owed = self.data, 0, 0.0
        while sent < len(data):
            time.sleep(_STEP)
            if self.data is not data:
                data, sent, owed = self.data, 0, 0.0
            owed += self.rate * _STEP
            end = int(owed) // _PACKET * _PACKET
            yield data[sent:end]
            sent = max(sent, end)


@contextmanager
def broadcast(file: Path, *, seconds: float) -> Iterator[tuple[str, Programme]]:
    """The address of a stream on loopback, and what it sends."""
    programme = Programme(file.read_bytes(), seconds)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            for chunk in programme.chunks():
                self.wfile.write(chunk)

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Whoever hangs up is no error."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/live", programme
        programme.show(b"", 1.0)
        server.shutdown()
        thread.join()
