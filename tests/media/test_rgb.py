from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace
from PIL import Image
from support import clips

from monitor.media.rgb import rgb


def first(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as container:
        return next(container.decode(video=0))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_all_eight_orientations_are_shown_upright(tmp_path: Path, angle: int, mirrored: bool) -> None:
    shown = rgb(first(clips.video(tmp_path / "a.mp4", turned=(angle, mirrored))))
    expected = np.rot90(clips.picture(0), angle // 90)
    expected = expected[:, ::-1] if mirrored else expected
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected).mean() < 4
    assert shown.flags.c_contiguous


@pytest.mark.parametrize(("orientation", "quarters"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_the_orientation_of_a_photo_is_read_beside_its_other_side_data(
    tmp_path: Path, orientation: int, quarters: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(clips.picture(0)).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(rgb(first(tmp_path / "a.png")), np.rot90(clips.picture(0), quarters))


def test_odd_sizes_are_complete_and_contiguous() -> None:
    frame = av.VideoFrame.from_ndarray(clips.picture(0, (33, 17)), format="rgb24")
    shown = rgb(frame.reformat(format="yuv444p"))
    assert shown.shape == (17, 33, 3)
    assert shown.flags.c_contiguous


def test_pixels_that_are_not_square_are_made_so() -> None:
    frame = av.VideoFrame.from_ndarray(clips.picture(0, (90, 120)), format="rgb24")
    assert rgb(frame, aspect=16 / 9).shape == (120, 160, 3)


@pytest.mark.parametrize("pixel_format", ["yaf32le", "gray32le"])
def test_pixels_that_ffmpeg_cannot_convert_are_an_error_and_no_crash(pixel_format: str) -> None:
    with pytest.raises(ValueError, match=pixel_format):
        rgb(av.VideoFrame(64, 48, pixel_format))


@pytest.mark.parametrize(
    ("size", "matrix"), [((1280, 720), 709), ((720, 1280), 709), ((720, 576), 601), ((640, 360), 601)]
)
def test_untagged_yuv_is_bt_709_in_hd_and_bt_601_below(size: tuple[int, int], matrix: int) -> None:
    original = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), (220, 60, 40), np.uint8), format="rgb24")
    space = Colorspace.ITU709 if matrix == 709 else Colorspace.ITU601
    untagged = original.reformat(format="yuv444p", dst_colorspace=space)
    untagged.colorspace = 2
    assert np.abs(rgb(untagged)[0, 0].astype(int) - (220, 60, 40)).max() <= 2


def test_a_tag_counts_more_than_the_size() -> None:
    original = av.VideoFrame.from_ndarray(np.full((720, 1280, 3), (220, 60, 40), np.uint8), format="rgb24")
    tagged = original.reformat(format="yuv444p", dst_colorspace=Colorspace.ITU601)
    tagged.colorspace = 6
    assert np.abs(rgb(tagged)[0, 0].astype(int) - (220, 60, 40)).max() <= 2


@pytest.mark.parametrize("pixel_format", ["rgb24", "gbrp", "gray", "pal8"])
def test_pixels_without_a_yuv_matrix_stay_as_they_are_in_hd(pixel_format: str) -> None:
    grey = av.VideoFrame.from_ndarray(np.full((720, 1280, 3), 90, np.uint8), format="rgb24")
    frame = grey.reformat(format="rgb8" if pixel_format == "pal8" else pixel_format)
    expected = frame.to_ndarray(format="rgb24")
    np.testing.assert_array_equal(rgb(frame), expected)
