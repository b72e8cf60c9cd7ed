"""Compression: JPEG for batches of tensors, in torch; H.264 for a clip, by the real encoder."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from monitor.errors import ExperimentError, UsageError
from monitor.types import Pixels

if TYPE_CHECKING:
    import av

_FPS = 25
_WORST_CRF = 51
_BLOCK = 8
_MCU = 16  # pixels a side of a 4:2:0 block group

# ITU-T T.81, Annex K, tables K.1 and K.2.
_LUMA = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMA = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
)  # fmt: skip
# JFIF: RGB 0..255 -> luma and colour differences, without the offset of 128.
_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def jpeg(images: Tensor, qualities: Tensor) -> Tensor:
    """Encode and decode as JPEG, 4:2:0, with libjpeg's tables, rounding and smooth chroma upsampling.

    The result is on average within 0.5 grey levels of libjpeg's.

    Args:
        images: (N, 3, H, W) RGB in [0, 1].
        qualities: (N,) 1 .. 100.

    Returns:
        (N, 3, H, W) in [0, 1], whole multiples of 1/255.
    """
    height, width = images.shape[-2:]
    pad = (0, -width % _MCU, 0, -height % _MCU)
    pixels = (images * 255).round_().clamp_(0, 255)
    if any(pad):
        pixels = functional.pad(pixels, pad, mode="replicate")
    n, _, rows, columns = pixels.shape
    to_ycc = torch.tensor(_YCC, device=images.device)
    ycc = torch.matmul(to_ycc, pixels.view(n, 3, -1)).round_().view(n, 3, rows, columns)
    luma, chroma = ycc[:, :1] - 128, functional.avg_pool2d(ycc[:, 1:], 2)
    chroma = (chroma + _bias(chroma.shape[-1], images.device)).floor_()
    tables = _tables(qualities)
    luma = _quantised(luma, tables[:, 0]).round_()
    chroma = _quantised(chroma, tables[:, 1]).round_()
    chroma = functional.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False).round_()
    ycc = torch.cat((luma + 128, chroma), dim=1)
    decoded = torch.matmul(torch.linalg.inv(to_ycc), ycc.view(n, 3, -1)).view(n, 3, rows, columns)
    return decoded[:, :, :height, :width].round().clamp_(0, 255).div_(255)


def h264(frames: Pixels, *, crf: int) -> Pixels:
    """Encode a clip with x264 (preset medium, 4:2:0, 25 frames per second) and decode it again.

    Args:
        frames: (T, H, W, 3) RGB; a single frame is a key frame.
        crf: constant rate factor, 0 (lossless but for colour) .. 51 (worst).

    Returns:
        (T, H, W, 3), deterministic.

    Raises:
        ExperimentError: the factor is outside 0 .. 51.
        UsageError: PyAV or its x264 is not installed.
    """
    if not 0 <= crf <= _WORST_CRF:
        raise ExperimentError(f"H.264's constant rate factor goes from 0 to {_WORST_CRF}, got {crf}")
    try:
        import av
    except ModuleNotFoundError as error:
        raise UsageError("H.264 compression needs PyAV, which is not installed: pip install av") from error
    if "libx264" not in av.codecs_available:
        raise UsageError("H.264 compression needs x264, which this PyAV lacks: install its own wheel (pip install av)")
    height, width = frames.shape[1:3]
    padded = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    encoder, decoder = av.VideoCodecContext.create("libx264", "w"), av.VideoCodecContext.create("h264", "r")
    encoder.width, encoder.height, encoder.pix_fmt = padded.shape[2], padded.shape[1], "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, _FPS), Fraction(_FPS)
    encoder.options = {"crf": str(crf), "preset": "medium", "threads": "1"}
    coded = np.empty_like(frames)
    pictures = (av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24") for frame in padded)
    packets = [packet for number, picture in enumerate(pictures) for packet in encoder.encode(_timed(picture, number))]
    packets += encoder.encode(None)
    shown = [picture for packet in packets for picture in decoder.decode(packet)] + decoder.decode(None)
    for frame, picture in zip(coded, shown, strict=True):
        frame[:] = picture.to_ndarray(format="rgb24")[:height, :width]
    return coded


def _timed(picture: av.VideoFrame, number: int) -> av.VideoFrame:
    picture.pts = number
    return picture


def _quantised(planes: Tensor, tables: Tensor) -> Tensor:
    """Planes (N, C, H, W) after quantising their blocks' cosine transforms with tables (N, 64)."""
    n, channels, height, width = planes.shape
    split = planes.view(n, channels, height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    blocks = split.permute(0, 1, 2, 4, 3, 5).reshape(n, -1, _BLOCK * _BLOCK)
    basis = _cosines(planes.device)
    steps = tables[:, None]
    levels = torch.matmul(blocks, basis.T).div_(steps).round_().mul_(steps)
    blocks = torch.matmul(levels, basis)
    joined = blocks.view(n, channels, height // _BLOCK, width // _BLOCK, _BLOCK, _BLOCK)
    return joined.permute(0, 1, 2, 4, 3, 5).reshape(n, channels, height, width)


@cache
def _bias(columns: int, device: torch.device) -> Tensor:
    """(columns,): libjpeg's bias before it rounds the mean of four chroma samples down, alternately 1/4 and 1/2."""
    return (0.25 + 0.25 * (torch.arange(columns) % 2)).to(device)


def _tables(qualities: Tensor) -> Tensor:
    """(N, 2, 64) quantisation steps of luma and chroma."""
    base = torch.tensor((_LUMA, _CHROMA), device=qualities.device, dtype=torch.float32)
    qualities = qualities.float().round().clamp(1, 100)
    percent = torch.where(qualities < 50, (5000 / qualities).floor(), 200 - 2 * qualities)
    return ((base * percent[:, None, None] + 50) / 100).floor().clamp(1, 255)


@cache
def _cosines(device: torch.device) -> Tensor:
    """(64, 64): the orthonormal two-dimensional cosine transform of a flattened block."""
    k = torch.arange(_BLOCK, dtype=torch.float64)
    one = torch.cos((2 * k + 1) * k[:, None] * (torch.pi / (2 * _BLOCK))) * (2 / _BLOCK) ** 0.5
    one[0] /= 2**0.5
    return torch.kron(one, one).float().to(device)
