"""Plays a clip as a live camera: MPEG-TS over HTTP on loopback, at the clip's own speed, without an end.

The camera is a process of its own, because a measurement must not share an interpreter with it::

    python -m monitor.lab.bench.live_camera CLIP
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import av
from av.error import FFmpegError

from monitor.errors import MonitorError

_TICKS: Final = 90_000  # per second, the clock of MPEG-TS
_FIRST_TIME: Final = 1.0  # seconds: B-frames are decoded before they are shown, and no time may be negative


@contextmanager
def live_camera(clip: Path) -> Iterator[str]:
    """The URL of a camera that plays an H.264 clip until the block ends, from its beginning for each client.

    Raises:
        MonitorError: the camera does not start.
    """
    command = [sys.executable, "-m", __name__, str(clip)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = process.stdout.readline().strip() if process.stdout else ""
            if not port:
                raise MonitorError(f"{clip}: the camera of the measurement did not start; is the clip complete?")
            yield f"http://127.0.0.1:{port}/camera.ts"
        finally:
            process.terminate()


class _Camera(BaseHTTPRequestHandler):
    """Sends one client the packets of ``clip`` when they are due."""

    clip: Path

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.end_headers()
        try:
            _play(self.clip, self.wfile)
        except (OSError, FFmpegError):  # the client has left
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def _play(clip: Path, client: object) -> None:
    with av.open(str(clip)) as source:
        video = source.streams.video[0]
        packets = [packet for packet in source.demux(video) if packet.size]
        time_base = video.time_base or Fraction(1, _TICKS)
        first, per_second = min(packet.dts or 0 for packet in packets), 1 / float(time_base)
        times = [((packet.pts or 0) - first, (packet.dts or 0) - first) for packet in packets]
        length = sum(packet.duration or 0 for packet in packets)
        # without flush_packets the muxer would hold back half a second of a small stream
        with av.open(client, "w", format="mpegts", options={"flush_packets": "1"}) as output:
            stream = output.add_stream_from_template(video)
            began, played = time.monotonic(), 0
            while True:
                for packet, (shown, decoded) in zip(packets, times, strict=True):
                    due = (played + decoded) / per_second
                    time.sleep(max(0.0, began + due - time.monotonic()))
                    packet.stream, packet.time_base = stream, time_base  # the muxer changes the time base
                    packet.pts = shown + played + round(_FIRST_TIME * per_second)
                    packet.dts = decoded + played + round(_FIRST_TIME * per_second)
                    output.mux(packet)
                played += length


def main() -> None:
    """Serve the clip of the command line and print the port."""
    handler = type("_CameraOfClip", (_Camera,), {"clip": Path(sys.argv[1])})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
