"""Files and addresses that are no video: the error names what they are."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import clips

from monitor.errors import SourceUnreadableError
from monitor.media.sources import open_source
from monitor.settings import SourceSettings

BRISK = SourceSettings(open_timeout=2, read_timeout=1)
PAGE = '<!DOCTYPE html>\n<html lang="en"><head><title>Log in</title></head><body></body></html>'
FAIRPLAY = 'METHOD=SAMPLE-AES,URI="skd://x",KEYFORMAT="com.apple.streamingkeydelivery"'
WIDEVINE = (
    'METHOD=SAMPLE-AES-CTR,URI="data:text/plain;base64,AA==",KEYFORMAT="urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"'
)
KEY = bytes(range(16))


def playlist(path: Path, *, key: str) -> Path:
    """A video of two seconds as a playlist, with a key line before its first segment."""
    clips.video(path, frames=50, options={"g": "25"}, muxing={"hls_time": "1", "hls_list_size": "0"})
    before, extinf, after = path.read_text().partition("#EXTINF")
    path.write_text(f"{before}#EXT-X-KEY:{key}\n{extinf}{after}")
    return path


def encrypted(folder: Path, *, key_name: str) -> Path:
    """A playlist whose segments are encrypted with AES-128, and its key beside it, by FFmpeg's own muxer."""
    (folder / key_name).write_bytes(KEY)
    (folder / "key info").write_text(f"{key_name}\n{folder / key_name}\n{'00' * 16}\n")
    path = folder / "enc.m3u8"
    muxing = {"hls_time": "1", "hls_list_size": "0", "hls_key_info_file": str(folder / "key info")}
    return clips.video(path, frames=50, options={"g": "25"}, muxing=muxing)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

        def do_GET(self) -> None:
            if self.path.startswith("/private/") and self.headers.get("Authorization") != "Basic bWU6czpl":
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="private"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            super().do_GET()

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def refusal(url: str | Path) -> str:
    with pytest.raises(SourceUnreadableError) as caught, open_source(url, BRISK):
        pass
    return str(caught.value)


def test_a_web_page_is_named(tmp_path: Path, web: str) -> None:
    for name in ("page.html", "saved.mp4"):
        (tmp_path / name).write_text(PAGE)
        assert "is a web page and holds no video itself; give the address" in refusal(tmp_path / name)
        assert "is a web page" in refusal(f"{web}/{name}")


def test_a_page_behind_a_password_is_named_without_it(tmp_path: Path, web: str) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "page.mp4").write_text(PAGE)
    sentence = refusal(f"{web}/private/page.mp4".replace("//", "//me:s%3Ae@"))
    assert "is a web page" in sentence
    assert "//me:***@" in sentence


@pytest.mark.parametrize(("key", "system"), [(FAIRPLAY, "(FairPlay)"), (WIDEVINE, "(Widevine)")])
def test_a_protected_playlist_is_named(tmp_path: Path, web: str, key: str, system: str) -> None:
    playlist(tmp_path / "drm.m3u8", key=key)
    for url in (tmp_path / "drm.m3u8", f"{web}/drm.m3u8"):
        assert f"is encrypted under digital rights management {system}" in refusal(url)


def test_a_protected_variant_of_a_master_playlist_is_named(tmp_path: Path, web: str) -> None:
    playlist(tmp_path / "drm.m3u8", key=FAIRPLAY)
    (tmp_path / "master.m3u8").write_text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=200000,RESOLUTION=160x120\ndrm.m3u8\n")
    for url in (tmp_path / "master.m3u8", f"{web}/master.m3u8"):
        assert "digital rights management (FairPlay)" in refusal(url)


@pytest.mark.parametrize("name", ["enc.key", "k.key"])
def test_an_encrypted_local_playlist_with_its_key_is_read(tmp_path: Path, name: str) -> None:
    with open_source(encrypted(tmp_path, key_name=name), BRISK) as source:
        assert [clips.number_of(frame.pixels) for frame in source] == list(range(50))


def test_an_encrypted_playlist_without_its_key_names_the_key(tmp_path: Path, web: str) -> None:
    path = encrypted(tmp_path, key_name="lost.key")
    (tmp_path / "lost.key").unlink()
    for url in (path, f"{web}/{path.name}"):
        assert "is encrypted, and its key (lost.key) cannot be read" in refusal(url)


@pytest.mark.parametrize("key", ["METHOD=NONE", 'URI="k"'])
def test_a_damaged_playlist_without_encryption_is_not_called_encrypted(tmp_path: Path, key: str) -> None:
    path = playlist(tmp_path / "list.m3u8", key=key)
    for segment in tmp_path.glob("*.ts"):
        segment.write_bytes(bytes(byte ^ 0x5A for byte in segment.read_bytes()))
    assert "holds no video or image" in refusal(path)


def test_encrypted_pictures_in_an_mp4_are_named(tmp_path: Path) -> None:
    path = tmp_path / "cenc.mp4"
    options = {
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": KEY.hex(),
        "encryption_kid": bytes(16).hex(),
    }
    clips.video(path, muxing=options)
    assert "is encrypted under digital rights management" in refusal(path)


def test_other_content_keeps_the_general_sentence(tmp_path: Path, web: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, 50_000, np.uint8).tobytes()
    (tmp_path / "noise.mp4").write_bytes(noise)
    for url in (tmp_path / "noise.mp4", f"{web}/noise.mp4"):
        assert "holds no video or image that can be read" in refusal(url)
