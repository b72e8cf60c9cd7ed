from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import clips

from monitor.errors import SourceNotFoundError, SourceUnreadableError
from monitor.media.sources import expand, open_source


def image(path: Path, number: int, size: tuple[int, int] = (60, 40)) -> Path:
    Image.fromarray(clips.picture(number, size)).save(path)
    return path


def test_a_folder_is_one_stream_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        image(tmp_path / f"Frame {number}.png", number)
    with open_source(tmp_path) as source:
        frames = list(source)
        assert (source.info.kind, source.info.still, source.info.live) == ("folder", False, False)
        assert (source.info.width, source.info.height, source.info.fps) == (60, 40, 25.0)
        assert source.drops == {}
    assert [clips.number_of(frame.pixels) for frame in frames] == [1, 2, 10]
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.media_time for frame in frames] == pytest.approx([0.0, 0.04, 0.08])
    assert [frame.source for frame in frames] == [str(tmp_path / f"Frame {number}.png") for number in (1, 2, 10)]


def test_media_time_continues_across_images_and_videos(tmp_path: Path) -> None:
    clips.video(tmp_path / "b.mp4", frames=5)
    image(tmp_path / "a.png", 20)
    clips.video(tmp_path / "c.MKV", frames=5, times=[0.0, 0.1, 0.2, 0.3, 0.4])
    with open_source(tmp_path) as source:
        frames = list(source)
    assert [clips.number_of(frame.pixels) for frame in frames] == [20, *range(5), *range(5)]
    assert [frame.index for frame in frames] == list(range(11))
    expected = [0.0, *np.arange(0.04, 0.21, 0.04), *np.arange(0.24, 0.65, 0.1)]
    assert [frame.media_time for frame in frames] == pytest.approx(expected)


def test_unreadable_files_are_skipped_and_counted(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    image(tmp_path / "b.png", 1)
    (tmp_path / "c.mp4").write_bytes(b"")
    whole = clips.video(tmp_path / "d.mp4", frames=20, muxing={"movflags": "faststart"})
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size * 3 // 4])
    (tmp_path / "e.mkv").write_bytes(b"no video")
    with open_source(tmp_path) as source:
        frames = list(source)
        assert source.drops["unreadable file"] == 3
        assert len(frames) - 1 + source.drops["missing at the end"] + source.drops.get("undecodable packet", 0) == 20
        assert list(source) == []


def test_disordered_time_stamps_are_counted_over_all_files(tmp_path: Path) -> None:
    for name in ("a.ts", "b.ts"):
        clips.joined(tmp_path / name, frames=5)
    with open_source(tmp_path) as source:
        counts = [source.disordered for _ in source]
    assert counts == [0] * 5 + [1] * 10 + [2] * 5


def test_a_folder_without_readable_files_raises_the_last_error(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(SourceUnreadableError, match=r"a\.mp4: is empty"):
        open_source(tmp_path)


def test_a_folder_without_media_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see")
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "deeper.mp4").mkdir()
    for opened in (open_source, expand):
        with pytest.raises(SourceNotFoundError, match="holds no video or image"):
            opened(tmp_path)


def test_close_ends_the_iteration_over_a_folder(tmp_path: Path) -> None:
    image(tmp_path / "a.png", 1)
    image(tmp_path / "b.png", 2)
    with open_source(tmp_path) as source:
        frames = iter(source)
        next(frames)
        source.close()
        assert list(frames) == []


def test_expand_lists_a_folder_and_returns_other_addresses_unchanged(tmp_path: Path) -> None:
    for name in ("b10.mp4", "B2.mp4", "a.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    files, left_out = expand(tmp_path)
    assert files == [str(tmp_path / name) for name in ("a.jpg", "B2.mp4", "b10.mp4")]
    assert [item.path.name for item in left_out] == ["notes.txt"]
    for address in ("rtsp://u:p@host/1", str(tmp_path / "nothing.mp4"), "demo:"):
        assert expand(address) == ([address], ())


def test_a_folder_plays_its_subfolders_and_files_without_a_known_suffix(tmp_path: Path) -> None:
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    clips.video(tmp_path / "z.mp4", frames=2)
    clips.video(tmp_path / "deep" / "deeper" / "inner.mp4", frames=3).rename(tmp_path / "deep" / "deeper" / "inner")
    image(tmp_path / "deep" / "photo.png", 30).rename(tmp_path / "deep" / "photo")
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    with open_source(tmp_path) as source:
        frames = list(source)
        assert source.drops == {"unreadable file": 1}, "the dangling link may be media"
    assert [clips.number_of(frame.pixels) for frame in frames] == [0, 1, 2, 30, 0, 1]
