"""Streams from real servers on the loopback: Python's HTTP server and GStreamer's RTSP server."""

import io
import threading
import time
from collections.abc import Iterator
from functools import cache
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support import clips, rtsp_server

from monitor.errors import SourceNotFoundError, SourceUnavailableError, SourceUnreadableError
from monitor.media.sources import open_source
from monitor.settings import SourceSettings

BRISK = SourceSettings(open_timeout=2, read_timeout=1)


@cache
def jpeg(number: int) -> bytes:
    with io.BytesIO() as file:
        Image.fromarray(clips.picture(number)).save(file, "JPEG")
        return file.getvalue()


class Handler(SimpleHTTPRequestHandler):
    """Serves the files of a folder, and paths with faulty or endless answers."""

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].strip("/")
        special = getattr(self, f"_{name}", None)
        (special or super().do_GET)()

    def _refused(self) -> None:
        self.send_error(401)

    def _failing(self) -> None:
        self.send_error(500)

    def _silent(self) -> None:
        self.server.done.wait(20)

    def _camera(self) -> None:
        """Motion JPEG as cameras serve it, five pictures a second, for ten pictures."""
        self._begin("multipart/x-mixed-replace; boundary=frame")
        for number in range(10):
            header = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg(number))}\r\n\r\n"
            self.wfile.write(header.encode() + jpeg(number) + b"\r\n")
            time.sleep(0.2)

    def _endless(self) -> None:
        """A transport stream that stalls after its last packet."""
        self._begin("video/mp2t")
        with open(f"{self.directory}/long.ts", "rb") as file:  # noqa: PTH123
            self.wfile.write(file.read())
        self.server.done.wait(20)

    def _begin(self, content: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content)
        self.end_headers()


class Server(ThreadingHTTPServer):
    done: threading.Event

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up early is the normal end of a live stream."""


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("www")
    clips.video(folder / "index last.mp4")
    clips.video(folder / "index first.mp4", muxing={"movflags": "faststart"})
    clips.video(folder / "a.ts", codec="mpeg2video")
    clips.video(folder / "long.ts", codec="mpeg2video", frames=50, options={"g": "5"})
    clips.video(folder / "list.m3u8", frames=50, options={"g": "25"}, muxing={"hls_time": "1", "hls_list_size": "0"})
    playlist = (folder / "list.m3u8").read_text().replace("#EXT-X-ENDLIST\n", "")
    (folder / "live.m3u8").write_text(playlist)
    (folder / "a.jpg").write_bytes(jpeg(7))
    (folder / "a.html").write_text("<html><body>Please log in</body></html>")

    def handler(*arguments: Any) -> Handler:
        return Handler(*arguments, directory=str(folder))

    with Server(("127.0.0.1", 0), handler) as server:
        server.done = threading.Event()
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.done.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["index%20last.mp4", "index%20first.mp4", "a.ts"])
def test_a_file_on_a_web_server_is_a_file(http: str, name: str) -> None:
    with open_source(f"{http}/{name}?token=hidden", BRISK) as source:
        assert (source.info.kind, source.info.live, source.info.path) == ("http", False, None)
        assert source.info.name == f"{http}/{name}?token=***"
        assert len(list(source)) == 12


def test_a_finished_playlist_is_a_file(http: str) -> None:
    with open_source(f"{http}/list.m3u8", BRISK) as source:
        assert (source.info.live, source.info.duration) == (False, pytest.approx(2.0))
        assert [clips.number_of(frame.pixels) for frame in source] == list(range(50))


def test_a_playlist_without_an_end_is_live(http: str) -> None:
    with open_source(f"{http}/live.m3u8", BRISK) as source:
        assert (source.info.live, source.info.duration) == (True, None)
        assert len(list(islice(source, 20))) == 20


def test_an_image_on_a_web_server_is_a_still(http: str) -> None:
    with open_source(f"{http}/a.jpg", BRISK) as source:
        assert source.info.still
        assert [clips.number_of(frame.pixels) for frame in source] == [7]


def test_a_camera_without_timestamps_uses_arrival_times(http: str) -> None:
    with open_source(f"{http}/camera", BRISK) as source:
        assert (source.info.live, source.info.fps) == (True, None)
        frames = list(islice(source, 6))
    assert [clips.number_of(frame.pixels) for frame in frames] == list(range(6))
    for before, after in pairwise(frames[1:]):
        elapsed = (after.captured_at - before.captured_at).total_seconds()
        assert after.media_time - before.media_time == pytest.approx(elapsed, abs=2e-3)
    assert 0.5 < frames[-1].media_time < 3


def test_a_stream_that_stops_sending_is_lost_in_time(http: str) -> None:
    with open_source(f"{http}/endless", BRISK) as source:
        assert source.info.live
        with pytest.raises(SourceUnavailableError, match="no answer in time"):
            list(source)


def test_a_camera_that_hangs_up_is_lost(http: str) -> None:
    with open_source(f"{http}/camera", BRISK) as source, pytest.raises(SourceUnavailableError, match="closed"):
        list(source)


def test_close_from_another_thread_ends_a_waiting_read(http: str) -> None:
    with open_source(f"{http}/endless", BRISK) as source:
        closing = threading.Timer(0.3, source.close)
        closing.start()
        assert len(list(source)) <= 50
        closing.join()


@pytest.mark.parametrize(
    ("name", "kind", "clause"),
    [
        ("nothing.mp4", SourceNotFoundError, "nothing there"),
        ("refused", SourceUnavailableError, "user name or password"),
        ("failing", SourceUnavailableError, "server itself"),
        ("silent", SourceUnavailableError, "no answer in time"),
        ("a.html", SourceUnreadableError, "holds no video"),
    ],
)
def test_an_answer_without_video_is_an_error(http: str, name: str, kind: type[Exception], clause: str) -> None:
    address = f"{http}/{name}".replace("//", "//me:secret@")
    with pytest.raises(kind, match=clause) as caught:
        open_source(address, BRISK)
    assert "me:***@" in str(caught.value)


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_closed_port_is_an_error(scheme: str) -> None:
    with pytest.raises(SourceUnavailableError, match="nothing listens there"):
        open_source(f"{scheme}://127.0.0.1:9/cam", BRISK)


def test_an_unknown_host_is_an_error() -> None:
    with pytest.raises(SourceUnavailableError, match="is the host name right"):
        open_source("rtsp://camera.invalid/cam", BRISK)


@pytest.fixture(scope="module")
def rtsp_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if reason := rtsp_server.missing():
        pytest.skip(reason)
    return clips.video(
        tmp_path_factory.mktemp("rtsp") / "a.mp4", frames=25, options={"g": "10", "slices": "3"}, sound=True
    )


@pytest.mark.rtsp
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_camera_is_read_live(rtsp_clip: Path, transport: str) -> None:
    settings = SourceSettings(rtsp_transport=transport)
    with rtsp_server.serve(rtsp_clip, "--loop") as url, open_source(url, settings) as source:
        info = source.info
        assert (info.kind, info.live, info.width, info.height) == ("rtsp", True, 160, 120)
        assert (info.duration, info.frame_count, info.still) == (None, None, False)
        frames = list(islice(source, 40))
        assert source.drops == {}
    times = [frame.media_time for frame in frames]
    assert len(frames) == 40
    assert times[0] == 0.0
    assert all(0 < after - before < 0.3 for before, after in pairwise(times))
    assert all(before.captured_at <= after.captured_at for before, after in pairwise(frames))


@pytest.mark.rtsp
def test_a_wrong_camera_password_is_an_error(rtsp_clip: Path) -> None:
    with rtsp_server.serve(rtsp_clip, "--user", "me", "--password", "secret") as url:
        for credentials in ("", "me:wrong@"):
            with pytest.raises(SourceUnavailableError, match="wrong or missing user name or password") as caught:
                open_source(url.replace("//", f"//{credentials}"), BRISK)
            assert "wrong@" not in str(caught.value)
        with open_source(url.replace("//", "//me:secret@"), BRISK) as source:
            assert source.info.name == url.replace("//", "//me:***@")
            assert next(iter(source)).source == source.info.name


@pytest.mark.rtsp
def test_a_password_with_unescaped_characters_is_accepted(rtsp_clip: Path) -> None:
    password = "p@ss#1/2%41?x:y"  # noqa: S105 - of the test's own server
    with rtsp_server.serve(rtsp_clip, "--user", "me", "--password", password) as url:
        for typed in (password, "p%40ss%231%2F2%2541%3Fx%3Ay"):
            with open_source(url.replace("//", f"//me:{typed}@"), BRISK) as source:
                assert next(iter(source)).width == 160
                assert source.info.name == url.replace("//", "//me:***@")


@pytest.mark.rtsp
def test_capitals_blanks_and_bracketed_ipv6_are_accepted(rtsp_clip: Path) -> None:
    with rtsp_server.serve(rtsp_clip, "--address", "::1") as url:
        assert "[::1]" in url
        with open_source(f"  {url.replace('rtsp', 'RTSP', 1)} \n", BRISK) as source:
            assert next(iter(source)).width == 160


@pytest.mark.rtsp
def test_a_camera_with_sound_only_is_named(rtsp_clip: Path) -> None:
    with (
        rtsp_server.serve(rtsp_clip, "--sound") as url,
        pytest.raises(SourceUnreadableError, match="holds sound but no picture"),
    ):
        open_source(url, SourceSettings())


@pytest.mark.rtsp
def test_a_wrong_camera_path_is_an_error(rtsp_clip: Path) -> None:
    with rtsp_server.serve(rtsp_clip) as url, pytest.raises(SourceNotFoundError, match="is the path right"):
        open_source(f"{url}-2", BRISK)


@pytest.mark.rtsp
def test_the_end_of_a_camera_stream_ends_the_iteration(rtsp_clip: Path) -> None:
    with rtsp_server.serve(rtsp_clip) as url, open_source(url, BRISK) as source:
        assert 1 <= len(list(source)) <= 25


@pytest.mark.rtsp
def test_close_from_another_thread_ends_a_live_stream(rtsp_clip: Path) -> None:
    with rtsp_server.serve(rtsp_clip, "--loop") as url, open_source(url, BRISK) as source:
        closing = threading.Timer(0.3, source.close)
        closing.start()
        assert len(list(source)) < 100
        closing.join()
