"""Maps HDR and wide-gamut pictures to SDR (BT.709), on which all networks were trained.

The steps, on linear light:

1. The transfer function is undone: PQ (SMPTE ST 2084) or HLG (ITU-R BT.2100; its OOTF for a display of 1000 cd/m2).
2. The luminance is compressed with the curve of Report ITU-R BT.2390 (EETF). It maps 1000 cd/m2, the peak of most
   HDR masters, to the SDR peak of 203 cd/m2, HDR's reference white (Report ITU-R BT.2408). It changes nothing up to
   93 cd/m2, where faces lie. All colours are multiplied by the same factor, so that their hue stays.
3. The primaries (BT.2020 or Display P3) are converted to BT.709 (Report ITU-R BT.2407: matrix and clipping), and the
   result is coded as sRGB.

The mastering peak in a file's metadata is ignored: it is often wrong, and the same light always gives the same picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import cv2
import numpy as np
from av import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorTrc
from numpy.typing import NDArray

from monitor.types import Floats, Pixels

_HDR: Final[Mapping[int, str]] = {ColorTrc.SMPTE2084: "PQ", ColorTrc.ARIB_STD_B67: "HLG"}
_UNCONVERTED: Final[Mapping[int, str]] = {
    ColorTrc.LINEAR: "linear",
    ColorTrc.LOG: "logarithmic 100:1",
    ColorTrc.LOG_SQRT: "logarithmic 316:1",
    ColorTrc.SMPTE428: "SMPTE ST 428-1",
}
_SDR: Final = frozenset(ColorTrc) - _HDR.keys() - _UNCONVERTED.keys()
_GAMUTS: Final[Mapping[int, str]] = {ColorPrimaries.BT2020: "BT.2020", ColorPrimaries.SMPTE432: "Display P3"}

# Linear RGB to linear BT.709 RGB, and the row of luminance; white stays white (D65).
_TO_BT709: Final[Mapping[str, tuple[tuple[float, float, float], ...]]] = {
    "BT.2020": ((1.660491, -0.587641, -0.072850), (-0.124550, 1.132900, -0.008349), (-0.018151, -0.100579, 1.118730)),
    "Display P3": ((1.224940, -0.224940, 0.0), (-0.042057, 1.042057, 0.0), (-0.019638, -0.078636, 1.098274)),
    "BT.709": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
}
_LUMINANCE: Final[Mapping[str, tuple[float, float, float]]] = {
    "BT.2020": (0.262700, 0.677998, 0.059302),
    "Display P3": (0.228975, 0.691739, 0.079287),
    "BT.709": (0.212639, 0.715169, 0.072192),
}

_PEAK, _WHITE = 1000.0, 203.0  # cd/m2 of the HDR peak and of SDR white
_HLG_GAMMA = 1.2  # of the OOTF for a display of 1000 cd/m2
_LEVELS = 1 << 16
_ROWS = 64  # rows converted at a time; more would leave the processor's cache


@dataclass(frozen=True, slots=True)
class ToneMapping:
    """The conversion of one kind of HDR or wide-gamut coding to SDR, as look-up tables.

    >>> mapping = tone_mapping(ColorTrc.SMPTE2084, ColorPrimaries.BT2020)
    >>> mapping.convert(np.full((1, 1, 3), 38055, np.uint16)).tolist()  # 203 cd/m2
    [[[229, 229, 229]]]
    """

    coding: str  # for people: "HDR (PQ, BT.2020)"
    light: Floats  # (65536,) linear light of a coded level, 0 to 1
    luminance: Floats  # (1, 3) weights of the primaries
    gain: Floats  # (65536,) factor of the light by its luminance
    matrix: Floats  # (3, 3) to the primaries of BT.709

    def convert(self, pixels: NDArray[np.uint16]) -> Pixels:
        """Convert a picture.

        Args:
            pixels: (H, W, 3) uint16 RGB as coded, full range.

        Returns:
            (H, W, 3) uint8 sRGB.
        """
        converted = np.empty(pixels.shape, np.uint8)
        coded = _srgb_levels()
        for top in range(0, len(pixels), _ROWS):
            rows = slice(top, top + _ROWS)
            light = np.take(self.light, pixels[rows])
            mapped = cv2.transform(light, self.matrix * (_LEVELS - 1))
            luminance = cv2.transform(light, self.luminance * (_LEVELS - 1)).astype(np.uint16)
            gain = np.take(self.gain, luminance)
            # rounds, and clips to 0 and 65535
            linear = np.asarray(cv2.multiply(mapped, cv2.merge([gain] * 3), dtype=cv2.CV_16U), np.uint16)
            converted[rows] = np.take(coded, linear)
        return converted


def tone_mapping_of(frame: VideoFrame) -> ToneMapping | None:
    """The conversion that a frame needs; None: it is SDR with the primaries of BT.709 or older, or unknown."""
    return tone_mapping(frame.color_trc, frame.color_primaries)


def colour_note(transfer: int, primaries: int) -> str:
    """How colours are converted, as text for people; "": they are SDR and stay as they are.

    Args:
        transfer: FFmpeg's number of the transfer function.
        primaries: FFmpeg's number of the primaries.
    """
    if transfer not in _HDR and transfer not in _SDR:
        name = _UNCONVERTED.get(transfer, f"number {transfer}")
        return (
            f"its transfer function ({name}) is not supported: brightness and contrast are judged as stored, "
            "and verdicts may be wrong"
        )
    mapping = tone_mapping(transfer, primaries)
    return "" if mapping is None else f"{mapping.coding}, converted to SDR (BT.709)"


@cache
def tone_mapping(transfer: int, primaries: int) -> ToneMapping | None:
    """The conversion from a transfer function and primaries (FFmpeg's numbers).

    HDR without known primaries has those of BT.2020. None: the colours are SDR with the primaries of BT.709 or older,
    or the transfer function is unknown.
    """
    if transfer not in _HDR and (transfer not in _SDR or primaries not in _GAMUTS):
        return None
    hdr = _HDR.get(transfer)
    gamut = _GAMUTS.get(primaries, "BT.709")
    if hdr and primaries == ColorPrimaries.UNSPECIFIED:
        gamut = "BT.2020"
    levels = np.linspace(0, 1, _LEVELS)
    return ToneMapping(
        coding=f"HDR ({hdr}, {gamut})" if hdr else f"wide colour gamut ({gamut})",
        light=np.asarray(_light(levels, hdr), np.float32),
        luminance=np.asarray([_LUMINANCE[gamut]], np.float32),
        gain=np.asarray(_gain(levels, gamma=_HLG_GAMMA if hdr == "HLG" else 1.0) if hdr else levels**0, np.float32),
        matrix=np.asarray(_TO_BT709[gamut], np.float32),
    )


def _light(levels: NDArray[np.float64], hdr: str | None) -> NDArray[np.float64]:
    """Linear light of coded levels, both 0 to 1; of HLG, the light of the scene."""
    if hdr == "PQ":
        return np.minimum(_pq_light(levels) / _PEAK, 1)
    return _hlg_light(levels) if hdr == "HLG" else _srgb_light(levels)


def _gain(luminance: NDArray[np.float64], *, gamma: float) -> NDArray[np.float64]:
    """SDR light, in units of white, over HDR light in units of the peak."""
    luminance = np.maximum(luminance, 0.5 / _LEVELS)
    return _compress(_PEAK * luminance**gamma) / _WHITE / luminance


def _compress(nits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The EETF of Report ITU-R BT.2390, section 5.4.1, from black to black; cd/m2."""
    peak = _pq_level(np.asarray(_PEAK))
    level = np.minimum(_pq_level(nits) / peak, 1)
    ceiling = _pq_level(np.asarray(_WHITE)) / peak
    knee = 1.5 * ceiling - 0.5
    t = (np.maximum(level, knee) - knee) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * ceiling
    return _pq_light(np.where(level < knee, level, spline) * peak)


_M1, _M2 = 2610 / 16384, 2523 / 32
_C1, _C2, _C3 = 3424 / 4096, 2413 / 128, 2392 / 128


def _pq_light(level: NDArray[np.float64]) -> NDArray[np.float64]:
    """The EOTF of SMPTE ST 2084; cd/m2."""
    root = level ** (1 / _M2)
    return 10_000 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1)


def _pq_level(nits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse EOTF of SMPTE ST 2084."""
    power = (nits / 10_000) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def _hlg_light(level: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse OETF of HLG (ITU-R BT.2100): light of the scene, 0 to 1."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    return np.where(level <= 0.5, level**2 / 3, (np.exp((level - c) / a) + b) / 12)


def _srgb_light(level: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)


@cache
def _srgb_levels() -> Pixels:
    """(65536,) sRGB level of linear light."""
    light = np.linspace(0, 1, _LEVELS)
    level = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.round(255 * level), np.uint8)
