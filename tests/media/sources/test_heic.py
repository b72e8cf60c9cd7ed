from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image
from support import clips, heic

from monitor.errors import SourceUnreadableError
from monitor.media.sources import expand, open_isolated, open_source
from monitor.media.sources.address import Address
from monitor.media.sources.container import open_container, open_container_source
from monitor.media.sources.heic import is_heic
from monitor.media.span_cutter import cut
from monitor.media.tone_mapping import tone_mapping
from monitor.settings import SourceSettings
from monitor.types import Pixels, SourceInfo

SIZE = (200, 130)  # not a multiple of a tile


def shown(path: Path) -> tuple[SourceInfo, Pixels]:
    with open_isolated(path) as source:
        (frame,) = source
        assert (source.info.width, source.info.height) == (frame.width, frame.height)
        return source.info, frame.pixels


@pytest.mark.parametrize("quarters", range(4))
def test_all_tiles_are_read_and_turned(tmp_path: Path, quarters: int) -> None:
    original = clips.picture(20, SIZE)
    info, pixels = shown(heic.tiled(tmp_path / "a.heic", original, tile=64, quarters=quarters))
    expected = np.rot90(original, quarters)
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected).mean() < 5
    assert (info.kind, info.still, info.notes) == ("image", True, ())


@pytest.mark.parametrize("name", ["IMG_0001.HEIC", "a.heif", "a.HIF", "a.jpg", "a.mp4", "a"])
def test_a_heic_picture_is_recognised_by_its_content(tmp_path: Path, name: str) -> None:
    _, pixels = shown(heic.tiled(tmp_path / name, clips.picture(20, SIZE), tile=64))
    assert pixels.shape == (130, 200, 3)


def test_a_folder_lists_heic_pictures(tmp_path: Path) -> None:
    path = heic.tiled(tmp_path / "IMG_0001.HEIC", clips.picture(20, SIZE), tile=64)
    assert expand(tmp_path) == ([str(path)], ())


@pytest.mark.parametrize("share", [0.999, 0.8, 0.5])
def test_a_picture_that_lacks_a_part_is_refused(tmp_path: Path, share: float) -> None:
    noise = np.random.default_rng(5).integers(0, 255, (128, 192, 3)).astype(np.uint8)
    path = heic.tiled(tmp_path / "a.heic", noise, tile=64)
    path.write_bytes(path.read_bytes()[: round(share * path.stat().st_size)])
    with pytest.raises(SourceUnreadableError, match="not all parts of this HEIC picture can be read; copy it again"):
        open_isolated(path)


def test_a_picture_that_ends_between_two_tiles_is_refused(tmp_path: Path) -> None:
    path = heic.tiled(tmp_path / "a.heic", np.zeros((64, 128, 3), np.uint8), tile=64)
    content = path.read_bytes()
    data = content.index(b"mdat") + 4
    path.write_bytes(content[: data + (len(content) - data) // 2])  # the tiles are equal
    with pytest.raises(SourceUnreadableError, match="not all parts"):
        open_isolated(path)


def test_a_file_that_only_begins_like_heic_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200))
    with pytest.raises(SourceUnreadableError, match="not all parts"):
        open_isolated(path)


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = heic.tiled(tmp_path / "a.heic", clips.picture(20, SIZE), tile=64)
    with pytest.raises(SourceUnreadableError, match="200 x 130 pixels are more than the 20000"):
        open_source(path, SourceSettings(max_pixels=20_000))


def test_what_ffmpeg_would_read_in_part_is_refused_there(tmp_path: Path) -> None:
    path = heic.tiled(tmp_path / "a.heic", clips.picture(20, SIZE), tile=64)
    address, settings = Address.of(path), SourceSettings()
    container = open_container(str(path), address=address, settings=settings)
    with pytest.raises(SourceUnreadableError, match="a picture of parts that cannot be joined here"):
        open_container_source(container, address=address, settings=settings, live=False)
    with pytest.raises(SourceUnreadableError, match="a picture of parts"):
        cut(path, tmp_path / "clip.mp4", 0.0, 1.0)


def test_a_turn_in_exif_is_not_applied_again(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(clips.picture(20, SIZE))
    pillow_heif.from_pillow(image).save(tmp_path / "a.heic", exif=exif.tobytes())
    _, pixels = shown(tmp_path / "a.heic")
    expected = np.rot90(clips.picture(20, SIZE), -1)
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected).mean() < 5


def test_an_hdr_picture_is_tone_mapped_and_named(tmp_path: Path) -> None:
    grey = np.full((64, 64, 3), 30_000, np.uint16)
    image = pillow_heif.from_bytes("RGB;16", (64, 64), grey.tobytes())
    colours = {"color_primaries": 9, "transfer_characteristics": 16, "matrix_coefficients": 9, "full_range_flag": 1}
    image.info["nclx_profile"] = colours
    image.save(tmp_path / "a.hif", quality=-1, chroma=444)
    info, pixels = shown(tmp_path / "a.hif")
    assert info.notes == ("HDR (PQ, BT.2020), converted to SDR (BT.709)",)
    mapping = tone_mapping(16, 9)
    assert mapping is not None
    assert np.abs(pixels.astype(int) - mapping.convert(grey)).max() <= 1


def test_further_pictures_of_a_file_are_named(tmp_path: Path) -> None:
    several = pillow_heif.from_pillow(Image.fromarray(clips.picture(20, SIZE)))
    several.add_from_pillow(Image.fromarray(clips.picture(40, SIZE)))
    several.save(tmp_path / "a.heic")
    info, pixels = shown(tmp_path / "a.heic")
    assert abs(clips.number_of(pixels) - 20) <= 1
    assert info.notes == ("holds 2 pictures, only the main one was looked at",)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", True),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", True),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", False),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", False),
        (b"\0\0\0\x18ftyphevc\0\0\0\0mif1hevc", False),  # a sequence: FFmpeg reads its video
        (b"\0\0\0\x18ftypisom\0\0\0\0mif1heic", False),
        (b"\xff\xd8\xff\xe0", False),
        (b"", False),
    ],
)
def test_a_heic_picture_is_known_by_its_first_brand(head: bytes, expected: bool) -> None:
    assert is_heic(head) is expected
