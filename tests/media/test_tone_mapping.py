from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorTrc
from support import clips

from monitor.media.rgb import rgb
from monitor.media.sources import open_isolated
from monitor.media.tone_mapping import colour_note, tone_mapping, tone_mapping_of
from monitor.types import Pixels

PQ, HLG, SRGB = ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67, ColorTrc.IEC61966_2_1
BT709, BT2020, P3 = ColorPrimaries.BT709, ColorPrimaries.BT2020, ColorPrimaries.SMPTE432
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])


def linear(pixels: Pixels) -> np.ndarray:
    level = pixels / 255.0
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)


def pq(nits: np.ndarray | float) -> np.ndarray:
    power = (np.asarray(nits) / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def hlg(nits: np.ndarray) -> np.ndarray:
    """For a display of 1000 cd/m2: inverse OOTF, then OETF."""
    luminance = np.maximum(nits @ [0.2627, 0.678, 0.0593] / 1000, 1e-9)[..., np.newaxis]
    scene = nits / 1000 * luminance ** (1 / 1.2 - 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


def levels(coded: np.ndarray) -> np.ndarray:
    return np.round(np.clip(coded, 0, 1) * 65535).astype(np.uint16)


def portrait() -> Pixels:
    """An SDR picture with smooth colours, none brighter than 93 cd/m2 (level 180)."""
    noise = np.random.default_rng(3).integers(20, 180, (6, 8, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(noise, (160, 120), interpolation=cv2.INTER_LINEAR), np.uint8)


def first(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as container:
        return next(container.decode(video=0))


@pytest.mark.parametrize(("transfer", "code"), [(PQ, pq), (HLG, hlg)])
def test_an_hdr_picture_is_shown_like_its_sdr_original(tmp_path: Path, transfer: int, code) -> None:
    original = portrait()
    light = linear(original) @ TO_BT2020.T * 203
    path = clips.coded(tmp_path / "a.mp4", levels(code(light)), matrix=9, transfer=transfer, primaries=BT2020)
    frame = first(path)
    assert (frame.color_trc, frame.color_primaries, frame.colorspace) == (transfer, BT2020, 9)
    assert np.abs(rgb(frame).astype(int) - original).mean() < 2
    plain = frame.to_ndarray(format="rgb24")
    assert np.abs(plain.astype(int) - original).mean() > 5


def test_light_above_sdr_white_is_compressed_and_keeps_its_order() -> None:
    mapping = tone_mapping(PQ, BT2020)
    assert mapping is not None
    nits = [0, 5, 20, 50, 93, 203, 300, 500, 1000, 4000]
    shown = mapping.convert(np.repeat(levels(pq(np.array(nits)))[np.newaxis, :, np.newaxis], 3, 2))[0, :, 0].tolist()
    assert shown[:5] == [0, 43, 88, 136, 180]  # 255 * sRGB(nits / 203): unchanged
    assert shown == sorted(shown)
    assert shown[5] > 220
    assert len(set(shown[5:9])) == 4
    assert shown[8:] == [255, 255]


def test_a_bright_colour_keeps_its_hue() -> None:
    mapping = tone_mapping(PQ, BT2020)
    assert mapping is not None
    dim, bright = (
        mapping.convert(levels(pq(nits * np.array([[[1.0, 0.6, 0.4]]]) @ TO_BT2020.T))) for nits in (60, 190)
    )
    ratios = [linear(shown)[0, 0] / linear(shown)[0, 0, 0] for shown in (dim, bright)]
    np.testing.assert_allclose(ratios[0], ratios[1], atol=0.02)


@pytest.mark.parametrize("height", [1, 63, 64, 65, 130])
def test_every_row_is_converted(height: int) -> None:
    mapping = tone_mapping(PQ, BT2020)
    assert mapping is not None
    shown = mapping.convert(np.full((height, 3, 3), levels(pq(50.0)), np.uint16))
    assert shown.shape == (height, 3, 3)
    assert (shown == 136).all()


@pytest.mark.parametrize("primaries", [BT2020, P3])
def test_wide_gamut_sdr_is_converted_and_white_stays_white(primaries: int) -> None:
    mapping = tone_mapping(SRGB, primaries)
    assert mapping is not None
    coded = levels(np.array([[[1, 1, 1], [0.5, 0.5, 0.5], [0.8, 0.3, 0.3]]]))
    white, grey, red = mapping.convert(coded)[0].astype(int).tolist()
    assert (white, grey) == ([255] * 3, [128] * 3)
    assert red[0] > 204  # more saturated in the smaller gamut
    assert red[1] < 77
    assert "wide colour gamut" in mapping.coding


def test_sdr_is_neither_converted_nor_noted() -> None:
    for transfer in set(ColorTrc) - {PQ, HLG, ColorTrc.LINEAR, ColorTrc.LOG, ColorTrc.LOG_SQRT, ColorTrc.SMPTE428}:
        frame = av.VideoFrame(16, 16, "yuv420p")
        frame.color_trc, frame.color_primaries = transfer, BT709
        assert tone_mapping_of(frame) is None
        assert colour_note(frame.color_trc, frame.color_primaries) == ""


@pytest.mark.parametrize(("transfer", "name"), [(ColorTrc.LOG, "logarithmic 100:1"), (ColorTrc.LINEAR, "linear")])
def test_a_transfer_function_that_is_not_supported_is_named(transfer: int, name: str) -> None:
    frame = av.VideoFrame(16, 16, "yuv420p")
    frame.color_trc, frame.color_primaries = transfer, BT2020
    assert name in colour_note(frame.color_trc, frame.color_primaries)
    assert "not supported" in colour_note(frame.color_trc, frame.color_primaries)
    assert tone_mapping_of(frame) is None


@pytest.mark.parametrize(
    ("transfer", "primaries", "name"), [(PQ, BT2020, "HDR (PQ, BT.2020)"), (HLG, 2, "HDR (HLG, BT.2020)")]
)
def test_a_source_says_that_its_colours_are_converted(tmp_path: Path, transfer: int, primaries: int, name: str) -> None:
    coded = levels(pq(linear(portrait()) * 203))
    path = clips.coded(tmp_path / "a.mp4", coded, matrix=9, transfer=transfer, primaries=primaries)
    with open_isolated(path) as source:
        assert source.info.notes == (f"{name}, converted to SDR (BT.709)",)
        assert source.info.to_dict()["notes"] == list(source.info.notes)
