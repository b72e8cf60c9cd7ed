from pathlib import Path

import pytest
from support import clips
from support.web_server import web_server

from monitor.errors import SourceUnreadableError
from monitor.media.sources import open_isolated, open_source

DRM = 'METHOD=SAMPLE-AES,URI="skd://x",KEYFORMAT="com.apple.streamingkeydelivery"'


def encrypted(folder: Path, key: str) -> Path:
    """A playlist whose pictures cannot be read without a key."""
    path = folder / "list.m3u8"
    clips.video(path, frames=50, options={"g": "25"}, muxing={"hls_time": "1", "hls_list_size": "0"})
    path.write_text(path.read_text().replace("#EXTINF", f"#EXT-X-KEY:{key}\n#EXTINF", 1))
    for segment in folder.glob("*.ts"):
        segment.write_bytes(bytes(byte ^ 0x5A for byte in segment.read_bytes()))
    return path


@pytest.mark.parametrize(
    ("key", "method"), [(DRM, "SAMPLE-AES"), ('METHOD=AES-128,URI="k.key"', "AES-128"), ('URI="k",METHOD=X-Y', "X-Y")]
)
def test_an_encrypted_local_playlist_is_called_encrypted(tmp_path: Path, key: str, method: str) -> None:
    expected = rf"list.m3u8: its pictures are encrypted \({method}\), and the key is not available here; choose"
    with pytest.raises(SourceUnreadableError, match=expected):
        open_isolated(encrypted(tmp_path, key))


def test_an_encrypted_playlist_on_a_web_server_is_called_encrypted(tmp_path: Path) -> None:
    encrypted(tmp_path, DRM)
    with web_server(tmp_path) as server, pytest.raises(SourceUnreadableError, match=r"encrypted \(SAMPLE-AES\)"):
        open_source(f"{server.url}/list.m3u8?token=secret")


def test_encrypted_variants_of_a_master_playlist_are_found(tmp_path: Path) -> None:
    encrypted(tmp_path, DRM)
    master = tmp_path / "master.m3u8"
    master.write_text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=160x120\nlist.m3u8\n")
    with pytest.raises(SourceUnreadableError, match=r"encrypted \(SAMPLE-AES\)"):
        open_source(master)


@pytest.mark.parametrize("key", ["METHOD=NONE", ""])
def test_a_damaged_playlist_without_a_key_is_not_called_encrypted(tmp_path: Path, key: str) -> None:
    with pytest.raises(SourceUnreadableError, match="holds no video or image"):
        open_source(encrypted(tmp_path, key))


def test_a_web_page_is_read_no_further_than_its_beginning(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<html>" + "x" * 100_000)
    with web_server(tmp_path) as server, pytest.raises(SourceUnreadableError, match="holds no video or image"):
        open_source(f"{server.url}/a.html")
