from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from support import clips

from monitor.errors import SourceUnreadableError
from monitor.media.sources import open_source
from monitor.settings import SourceSettings
from monitor.types import Frame, SourceInfo

SIZE = (60, 40)


def saved(path: Path, image: Image.Image | None = None, **options: object) -> Path:
    (image or Image.fromarray(clips.picture(10, SIZE))).save(path, **options)
    return path


def read(path: Path) -> tuple[SourceInfo, list[Frame]]:
    with open_source(path) as source:
        frames = list(source)
        assert source.drops == {}
    return source.info, frames


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tif", "tga", "ppm", "gif", "jp2", "avif", "JPG"])
def test_an_image_is_one_frame_and_marked_as_still(tmp_path: Path, suffix: str) -> None:
    info, frames = read(saved(tmp_path / f"a.{suffix}"))
    assert (info.kind, info.still, info.live, info.frame_count) == ("image", True, False, 1)
    assert (info.width, info.height, info.fps, info.duration) == (*SIZE, None, None)
    assert [(frame.index, frame.media_time) for frame in frames] == [(0, 0.0)]
    assert np.abs(frames[0].pixels.astype(int) - clips.picture(10, SIZE)).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_a_photo_is_shown_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / f"a.{suffix}", exif=exif)
    _, frames = read(path)
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    np.testing.assert_array_equal(frames[0].pixels, np.asarray(upright))
    assert frames[0].pixels.shape == ((60, 40, 3) if orientation > 4 else (40, 60, 3))


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_every_kind_of_pixel_becomes_rgb(tmp_path: Path, mode: str) -> None:
    grey = Image.fromarray(np.full((40, 60), 200, np.uint8))
    if mode == "I;16":
        image = Image.fromarray(np.full((40, 60), 200 * 257, np.uint16))
    elif mode == "1":
        image = grey.point(lambda value: 255).convert("1")
    else:
        image = grey.quantize(4) if mode == "P" else grey.convert("RGB").convert(mode)
    _, frames = read(saved(tmp_path / ("a.jpg" if mode in ("CMYK", "YCbCr") else "a.png"), image))
    assert frames[0].pixels.shape == (40, 60, 3)
    assert np.abs(frames[0].pixels.astype(int) - (255 if mode == "1" else 200)).max() <= 2


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_transparent_pixels_become_white(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", SIZE, (200, 0, 0, 255))
    image.paste((0, 200, 0, 0), (0, 0, 30, 40))
    _, frames = read(saved(tmp_path / "a.png", image.convert(mode) if mode == "RGBA" else image.quantize(4)))
    np.testing.assert_array_equal(frames[0].pixels[20, 10], (255, 255, 255))
    np.testing.assert_array_equal(frames[0].pixels[20, 50], (200, 0, 0))


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "avif"])
def test_an_animation_is_a_video(tmp_path: Path, suffix: str) -> None:
    pictures = [Image.fromarray(clips.picture(10 * number, SIZE)) for number in range(4)]
    options = {"save_all": True, "append_images": pictures[1:], "duration": 200}
    info, frames = read(saved(tmp_path / f"a.{suffix}", pictures[0], **options))
    assert (info.still, info.fps, info.frame_count) == (False, 5.0, 4)
    np.testing.assert_allclose([clips.number_of(frame.pixels) for frame in frames], [0, 10, 20, 30], atol=1)
    np.testing.assert_allclose([frame.media_time for frame in frames], [0.0, 0.2, 0.4, 0.6])


def test_each_picture_of_an_animation_is_shown_for_its_time(tmp_path: Path) -> None:
    pictures = [Image.fromarray(clips.picture(10 * number, SIZE)) for number in range(3)]
    path = saved(tmp_path / "a.gif", pictures[0], save_all=True, append_images=pictures[1:], duration=[50, 300, 50])
    _, frames = read(path)
    assert [frame.media_time for frame in frames] == pytest.approx([0.0, 0.05, 0.35])


def test_pages_of_an_image_file_are_not_frames(tmp_path: Path) -> None:
    page = Image.fromarray(clips.picture(3, SIZE))
    info, frames = read(saved(tmp_path / "a.tif", page, save_all=True, append_images=[page]))
    assert info.still
    assert len(frames) == 1


def test_a_damaged_picture_of_an_animation_is_counted(tmp_path: Path) -> None:
    pictures = [Image.fromarray(clips.picture(10 * number, SIZE)) for number in range(3)]
    path = saved(tmp_path / "a.png", pictures[0], save_all=True, append_images=pictures[1:], duration=100)
    data = path.read_bytes()
    last = data.rindex(b"fdAT")
    path.write_bytes(data[: last + 8] + bytes(len(data) - last - 8))
    with open_source(path) as source:
        assert len(list(source)) == 2
        assert source.drops == {"undecodable picture": 1}


def test_a_video_with_the_name_of_an_image_is_a_video(tmp_path: Path) -> None:
    info, frames = read(clips.video(tmp_path / "a.mp4").rename(tmp_path / "a.jpg"))
    assert info.kind == "file"
    assert len(frames) == 12


def test_an_image_with_the_name_of_a_video_is_a_still(tmp_path: Path) -> None:
    info, frames = read(saved(tmp_path / "a.png").rename(tmp_path / "a.mp4"))
    assert (info.still, info.kind) == (True, "image")
    np.testing.assert_array_equal(frames[0].pixels, clips.picture(10, SIZE))


def test_an_image_that_is_too_large_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("1", (20_000, 8_000)))
    with pytest.raises(SourceUnreadableError, match=r"20000 x 8000 pixels .* source\.max_pixels"):
        open_source(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "webp", "bmp"])
def test_a_truncated_image_is_refused(tmp_path: Path, suffix: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 80, 3), np.uint8))
    path = saved(tmp_path / f"a.{suffix}", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceUnreadableError, match="is it complete"):
        open_source(path)


def test_after_close_there_are_no_frames(tmp_path: Path) -> None:
    source = open_source(saved(tmp_path / "a.png"))
    source.close()
    assert list(source) == []


def test_the_setting_replaces_the_pixel_limit_of_pillow(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("1", (10_000, 9_100)))
    with open_source(path, SourceSettings(max_pixels=100_000_000)) as source:
        assert source.info.width == 10_000


def test_pages_that_are_not_looked_at_are_named(tmp_path: Path) -> None:
    pages = [Image.fromarray(clips.picture(number, SIZE)) for number in (10, 20, 30)]
    info, frames = read(saved(tmp_path / "a.tif", pages[0], save_all=True, append_images=pages[1:]))
    assert info.notes == ("holds 3 pages, only the first was looked at",)
    assert [clips.number_of(frame.pixels) for frame in frames] == [10]


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_an_avif_in_hdr_is_refused_with_the_reason(tmp_path: Path, transfer: int, name: str) -> None:
    path = tmp_path / "phone.avif"
    Image.new("RGB", (64, 64), (90, 120, 150)).save(path)
    content = path.read_bytes()
    at = content.index(b"colrnclx") + 10
    with open_source(path) as source:
        assert len(list(source)) == 1, "SDR is read"
    path.write_bytes(content[:at] + transfer.to_bytes(2, "big") + content[at + 2 :])
    with pytest.raises(SourceUnreadableError, match=rf"phone\.avif: is AVIF in HDR \({name}\)"):
        open_source(path)
