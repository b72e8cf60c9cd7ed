"""Downloads from a real web server on loopback."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from monitor.errors import (
    MonitorError,
    SourceNotFoundError,
    SourceRefusedError,
    SourceUnavailableError,
    UsageError,
)
from monitor.server.downloads import check_file_address, download

CONTENT = bytes(range(256)) * 8000  # two megabytes

REDIRECTS = {
    "/hop": "/clip.mp4",
    "/to-metadata": "http://169.254.169.254/clip.mp4",
    "/to-file": "file:///etc/passwd",
    "/loop": "/loop",
}


CHECKED, ENDED = threading.Event(), threading.Event()  # the server at /slow waits for the first, then sets the other


class Files(BaseHTTPRequestHandler):
    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path in REDIRECTS:
            self._answer(302, Location=REDIRECTS[path])
        elif path == "/live":
            self._answer(200, b"--x", **{"Content-Type": "multipart/x-mixed-replace; boundary=x"})
        elif path == "/endless":
            self._answer(200)
            with suppress(OSError):
                while True:
                    self.wfile.write(bytes(1 << 16))
        elif path == "/slow":
            self._answer(200, b"a few bytes")
            self.wfile.flush()
            CHECKED.wait(20)
            ENDED.set()
        elif path == "/broken":
            self._answer(200, CONTENT[:1000], **{"Content-Length": "5000"})
        elif path == "/secret":
            self._answer(200 if self.headers.get("Authorization") else 401, b"inside")
        elif path == "/clip.mp4":
            self._answer(200, CONTENT, **{"Content-Length": str(len(CONTENT))})
        else:
            self._answer(404)

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/clip.mp4", "/clip.mp4?token=tell-nobody", "/hop"])
def test_a_file_is_downloaded_also_after_a_redirect(url: str, tmp_path: Path, path: str) -> None:
    download(url + path, tmp_path / "kept", folders=(), max_megabytes=3)
    assert (tmp_path / "kept").read_bytes() == CONTENT


def test_a_user_name_and_a_password_are_sent(url: str, tmp_path: Path) -> None:
    download(url.replace("//", "//ada:word@") + "/secret", tmp_path / "kept", folders=(), max_megabytes=1)
    assert (tmp_path / "kept").read_bytes() == b"inside"


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("/absent.mp4", SourceNotFoundError, "404"),
        ("/secret", SourceRefusedError, "401"),
        ("/to-metadata", UsageError, "link-local"),
        ("/to-file", MonitorError, "may not be opened|cannot be downloaded"),
        ("/loop", SourceUnavailableError, "redirects"),
        ("/live", UsageError, "live stream or a playlist"),
        ("/endless", UsageError, "larger than 1 MB"),
        ("/clip.mp4", UsageError, "larger than 1 MB"),
        ("/broken", SourceUnavailableError, "cannot be downloaded"),
    ],
)
def test_a_bad_download_is_one_sentence_without_secrets(
    url: str, tmp_path: Path, path: str, kind: type[MonitorError], words: str
) -> None:
    with pytest.raises(kind, match=words) as told:
        download(f"{url}{path}?token=tell-nobody", tmp_path / "kept", folders=(), max_megabytes=1)
    assert "tell-nobody" not in str(told.value)
    assert "\n" not in str(told.value)


def test_nobody_answers_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailableError, match="cannot be downloaded"):
        download("http://127.0.0.1:9/a.mp4", tmp_path / "kept", folders=(), max_megabytes=1)


def test_a_download_ends_when_the_check_fails(url: str, tmp_path: Path) -> None:
    parts = []

    def check() -> None:
        parts.append(1)
        if len(parts) > 3:
            raise MonitorError("cancelled")

    with pytest.raises(MonitorError, match="cancelled"):
        download(f"{url}/endless", tmp_path / "kept", folders=(), max_megabytes=100, check=check)
    assert (tmp_path / "kept").stat().st_size < 3 << 18


def test_a_slow_download_meets_the_check_while_it_waits(url: str, tmp_path: Path) -> None:
    def check() -> None:
        raise MonitorError("cancelled")

    try:
        with pytest.raises(MonitorError, match="cancelled"):
            download(f"{url}/slow", tmp_path / "kept", folders=(), max_megabytes=1, check=check)
        assert not ENDED.is_set()
    finally:
        CHECKED.set()


def test_a_file_of_the_server_needs_an_allowed_folder(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    clip = tmp_path / "media" / "talk.mp4"
    clip.write_bytes(CONTENT)
    with pytest.raises(UsageError, match="media_folders"):
        check_file_address(str(clip), folders=())
    assert check_file_address(str(clip), folders=[tmp_path / "media"]) == "talk.mp4"
    with pytest.raises(UsageError, match="no such file"):
        check_file_address(str(clip.parent), folders=[tmp_path / "media"])
    download(str(clip), tmp_path / "kept", folders=[tmp_path / "media"], max_megabytes=3)
    assert (tmp_path / "kept").read_bytes() == CONTENT
    with pytest.raises(UsageError, match="larger than 1 MB"):
        download(str(clip), tmp_path / "kept", folders=[tmp_path / "media"], max_megabytes=1)


@pytest.mark.parametrize(
    "address", ["demo:", "webcam:0", "rtsp://127.0.0.1/live", "http://127.0.0.1/live.m3u8", "screen:"]
)
def test_what_has_no_end_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="live stream or a playlist"):
        check_file_address(address, folders=())


@pytest.mark.parametrize("address", ["", "ftp://127.0.0.1/a.mp4", "http://169.254.169.254/a.mp4", "http://[::1/a.mp4"])
def test_the_rules_of_the_pages_hold(address: str) -> None:
    with pytest.raises(UsageError):
        check_file_address(address, folders=())


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("http://127.0.0.1/clips/a%20b.mp4?token=x", "a b.mp4"),
        ("https://ada:word@127.0.0.1/", "127.0.0.1"),
    ],
)
def test_a_file_is_named_after_its_address(address: str, name: str) -> None:
    assert check_file_address(address, folders=()) == name
