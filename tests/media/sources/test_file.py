import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from support import clips

from monitor.errors import SourceError, SourceNotFoundError, SourceUnavailableError, SourceUnreadableError
from monitor.media.media_clock import BREAK
from monitor.media.sources import open_source

NOBODY = 65534  # a user without rights of its own


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mkv", "libx264", "yuv444p"),
        ("a.mov", "libx265", "yuv420p10le"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.mpg", "mpeg1video", "yuv420p"),
        ("a.ts", "mpeg2video", "yuv420p"),
        ("a.avi", "mjpeg", "yuvj420p"),
        ("a.flv", "libx264", "yuv420p"),
        ("a.h264", "libx264", "yuv420p"),
    ],
)
def test_every_frame_of_any_container_in_order(tmp_path: Path, name: str, codec: str, pixel_format: str) -> None:
    with open_source(clips.video(tmp_path / name, codec=codec, pixel_format=pixel_format, frames=30)) as source:
        frames = list(source)
        assert source.drops == {}
    numbers = [clips.number_of(frame.pixels) for frame in frames]
    assert len(numbers) == 30
    np.testing.assert_allclose(numbers, range(30), atol=1)  # 8 bits and quantisation
    np.testing.assert_allclose([frame.media_time for frame in frames], np.arange(30) / 25, atol=2e-3)


def test_reordered_pictures_arrive_in_presentation_order(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mp4", frames=40, options={"preset": "fast", "bf": "4"})
    with open_source(path) as source:
        assert [clips.number_of(frame.pixels) for frame in source] == list(range(40))


def test_the_error_for_a_truncated_header_asks_whether_the_file_is_complete(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mkv")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(SourceUnreadableError, match="is it complete"):
        open_source(path)


def test_a_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.05, 0.5, 0.55, 2.0]
    with open_source(clips.video(tmp_path / "a.mkv", frames=6, times=times)) as source:
        assert [frame.media_time for frame in source] == pytest.approx(times)


def test_media_time_continues_across_joined_recordings(tmp_path: Path) -> None:
    with open_source(clips.joined(tmp_path / "a.ts", frames=50)) as source:
        times = [frame.media_time for frame in source]
        lost = source.drops
    assert len(times) == 100
    assert np.diff(times).min() > 0
    assert times[-1] == pytest.approx(4.0 + BREAK, abs=0.1)
    assert lost == {"break in the timestamps": 1}


def test_frames_hidden_by_an_edit_list_are_not_shown_and_not_drops(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mp4", frames=50)
    data = bytearray(path.read_bytes())
    duration = data.index(b"elst") + 12
    data[duration : duration + 4] = (1000).to_bytes(4)  # milliseconds
    path.write_bytes(data)
    with open_source(path) as source:
        assert len(list(source)) == 25
        assert source.drops == {}
        assert source.info.frame_count == 25


def test_a_picture_of_one_pixel_is_read(tmp_path: Path) -> None:
    with open_source(clips.video(tmp_path / "a.mp4", size=(1, 1), pixel_format="yuv444p")) as source:
        assert [frame.pixels.shape for frame in source] == [(1, 1, 3)] * 12


def test_an_8k_picture_is_read(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mkv", codec="mjpeg", pixel_format="yuvj420p", size=(7680, 4320), frames=2)
    with open_source(path) as source:
        assert [frame.pixels.shape for frame in source] == [(4320, 7680, 3)] * 2


@pytest.mark.parametrize("name", ["été 映画.mp4", "12:30 meeting.mp4", "100%d.png.mp4", "a*b?.mp4", " .mp4", "-i.mp4"])
@pytest.mark.skipif(sys.platform == "win32", reason="not all of these are file names there")
def test_special_characters_in_a_name_have_no_effect(tmp_path: Path, name: str) -> None:
    with open_source(str(clips.video(tmp_path / "a.mp4").rename(tmp_path / name))) as source:
        assert len(list(source)) == 12


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has file names that are not text")
def test_a_file_name_that_is_not_unicode_is_opened(tmp_path: Path) -> None:
    path = clips.video(tmp_path / "a.mp4").rename(tmp_path / os.fsdecode(b"caf\xe9.mp4"))
    with open_source(path) as source:
        assert len(list(source)) == 12
        assert source.info.name.endswith("caf�.mp4")


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    with open_source(clips.video(tmp_path / "a b.mp4").as_uri()) as source:
        assert source.info.path == tmp_path / "a b.mp4"


def broken_files(folder: Path) -> dict[str, tuple[Path, type[SourceError], str]]:
    def written(name: str, data: bytes) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    whole = clips.video(folder / "whole.mp4", frames=50).read_bytes()
    return {
        "missing": (folder / "nothing.mp4", SourceNotFoundError, "does not exist"),
        "below a file": (folder / "whole.mp4" / "a.mp4", SourceNotFoundError, "does not exist"),
        "text": (written("text.mp4", b"not a film\n" * 200), SourceUnreadableError, "holds no video"),
        "noise": (written("noise.mp4", np.random.default_rng(0).bytes(9000)), SourceUnreadableError, "holds no"),
        "empty": (written("empty.mp4", b""), SourceUnreadableError, "is empty"),
        "no index": (written("cut.mp4", whole[: len(whole) // 2]), SourceUnreadableError, "is it complete"),
        "sound": (clips.silence(folder / "a.m4a"), SourceUnreadableError, "no picture"),
    }


@pytest.mark.parametrize("case", ["missing", "below a file", "text", "noise", "empty", "no index", "sound"])
def test_a_file_that_is_not_a_video_is_refused_in_one_sentence(tmp_path: Path, case: str) -> None:
    path, kind, clause = broken_files(tmp_path)[case]
    with pytest.raises(kind, match=clause) as caught:
        open_source(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="no device files there")
def test_a_device_file_is_refused() -> None:
    with pytest.raises(SourceUnreadableError, match="not a regular file"):
        open_source(os.devnull)


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that other users may enter, unlike the folders of pytest."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def as_nobody() -> Iterator[None]:
    """Drops the rights of root, because root may read every file."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.mark.skipif(sys.platform == "win32", reason="a file's mode does not keep its owner from reading it there")
def test_a_file_without_permission_is_an_error(open_to_all: Path) -> None:
    allowed, forbidden = (clips.video(open_to_all / name) for name in ("a.mp4", "b.mp4"))
    allowed.chmod(0o644)
    forbidden.chmod(0)
    with as_nobody():
        with pytest.raises(SourceUnavailableError, match="no permission"):
            open_source(forbidden)
        open_source(allowed).close()
