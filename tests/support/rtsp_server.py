"""A real RTSP server (GStreamer's) that serves the H.264 stream of one file at rtsp://127.0.0.1:PORT/cam.

By hand (it goes over to the system's Python, which has GStreamer's bindings):

    python tests/support/rtsp_server.py FILE [--port 8554] [--loop] [--user U --password P] [--tls CERTIFICATE KEY]

From a test: ``with serve(file) as url: ...``. The file is read once; with ``--loop`` its access units
are sent again and again with timestamps that go on, as a camera would.
"""

import argparse
import contextlib
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SYSTEM_PYTHON = "/usr/bin/python3"
_PROBE = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


def missing() -> str | None:
    """Why no server can be started here, or None."""
    if not Path(SYSTEM_PYTHON).exists():
        return f"{SYSTEM_PYTHON} is missing"
    if subprocess.run([SYSTEM_PYTHON, "-c", _PROBE], capture_output=True, check=False).returncode:
        return "GStreamer's RTSP server is missing (apt: gir1.2-gst-rtsp-server-1.0 python3-gi)"
    return None


@contextlib.contextmanager
def serve(file: Path, *options: str) -> Iterator[str]:
    """The URL of a server in a child process, on a free port, until the block ends."""
    command = [SYSTEM_PYTHON, __file__, str(file), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            assert url.startswith(("rtsp://", "rtsps://")), f"the server did not start: {url!r}"
            yield url
        finally:
            server.terminate()


def access_units(file: Path) -> tuple[list[tuple[bytes, int, int, int]], str]:
    """Every H.264 access unit of a file as (data, pts, dts, duration), nanoseconds from the first, and their caps."""
    from gi.repository import Gst

    pipeline = Gst.parse_launch(
        "filesrc name=file ! parsebin ! h264parse ! "
        "video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=sink sync=false"
    )
    pipeline.get_by_name("file").set_property("location", str(file))
    sink = pipeline.get_by_name("sink")
    pipeline.set_state(Gst.State.PLAYING)
    units, caps = [], ""
    while (sample := sink.emit("pull-sample")) is not None:
        buffer = sample.get_buffer()
        caps = sample.get_caps().to_string()
        units.append((buffer.extract_dup(0, buffer.get_size()), buffer.pts, buffer.dts, buffer.duration))
    pipeline.set_state(Gst.State.NULL)
    if not units:
        raise SystemExit(f"{file}: no H.264 in it")
    first = min(dts for _, _, dts, _ in units)
    return [(data, pts - first, dts - first, duration) for data, pts, dts, duration in units], caps


class Feeder:
    """Sends the access units into one appsrc, round after round if it loops."""

    def __init__(self, units: list[tuple[bytes, int, int, int]], *, loop: bool) -> None:
        self._units = units
        self._loop = loop
        self._offset = 0
        self._queue: deque[tuple[bytes, int, int, int]] = deque(units)

    def feed(self, source: Any, _length: int) -> None:
        from gi.repository import Gst

        if not self._queue and self._loop:
            self._queue.extend(self._units)
            self._offset += self._units[-1][2] + self._units[-1][3]
        if not self._queue:
            source.emit("end-of-stream")
            return
        data, pts, dts, duration = self._queue.popleft()
        buffer = Gst.Buffer.new_wrapped(data)
        buffer.pts, buffer.dts, buffer.duration = pts + self._offset, dts + self._offset, duration
        source.emit("push-buffer", buffer)


def main() -> None:
    """Serve until killed; prints the URL once it is ready."""
    parser = argparse.ArgumentParser(description="serve the H.264 stream of a file over RTSP")
    parser.add_argument("file", type=Path)
    parser.add_argument("--port", type=int, default=8554, help="0 = any free port")
    parser.add_argument("--loop", action="store_true", help="start again at the end, timestamps going on")
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument(
        "--tls", type=Path, nargs=2, metavar=("CERTIFICATE", "KEY"), help="PEM files; the URL is rtsps://"
    )
    parser.add_argument("--sound", action="store_true", help="nothing but sound; the file is not read")
    arguments = parser.parse_args()

    try:
        import gi
    except ImportError:
        if reason := missing():
            raise SystemExit(reason) from None
        os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON, *sys.argv])  # noqa: S606

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    factory = GstRtspServer.RTSPMediaFactory()
    if arguments.sound:
        factory.set_launch("( audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8 )")
    else:
        _serve_file(factory, arguments.file, loop=arguments.loop)
    factory.set_shared(True)
    server = GstRtspServer.RTSPServer()
    server.set_address(arguments.address)
    server.set_service(str(arguments.port))
    if arguments.user:
        _require_login(server, factory, arguments.user, arguments.password)
    if arguments.tls:
        _encrypt(server, factory, *arguments.tls)
    server.get_mount_points().add_factory("/cam", factory)
    server.attach(None)
    host = f"[{arguments.address}]" if ":" in arguments.address else arguments.address
    print(f"rtsp{'s' if arguments.tls else ''}://{host}:{server.get_bound_port()}/cam", flush=True)
    GLib.MainLoop().run()


def _serve_file(factory: Any, file: Path, *, loop: bool) -> None:
    units, caps = access_units(file)
    factory.set_launch(
        f'( appsrc name=source is-live=true format=time caps="{caps}" '
        "! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 )"
    )

    def on_media(_factory: Any, media: Any) -> None:
        source = media.get_element().get_by_name("source")
        source.connect("need-data", Feeder(units, loop=loop).feed)

    factory.connect("media-configure", on_media)


def _require_login(server: Any, factory: Any, user: str, password: str) -> None:
    from gi.repository import GstRtspServer

    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    _permit_viewers(factory)


def _encrypt(server: Any, factory: Any, certificate: Path, key: Path) -> None:
    from gi.repository import Gio, GstRtspServer

    auth = GstRtspServer.RTSPAuth()
    auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(str(certificate), str(key)))
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.set_default_token(token)
    server.set_auth(auth)
    _permit_viewers(factory)


def _permit_viewers(factory: Any) -> None:
    from gi.repository import GstRtspServer

    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)


if __name__ == "__main__":
    main()
