"""Converts a decoded FFmpeg frame to upright RGB pixels, as a player for an SDR screen shows it."""

import math
from typing import Any

import cv2
import numpy as np
from av import VideoFrame
from av.error import FFmpegError
from av.video.reformatter import Colorspace

from monitor.media.tone_mapping import tone_mapping_of
from monitor.types import Pixels

Matrix = tuple[int, int, int, int]  # a b c d of a display matrix: x' = a x + c y, y' = b x + d y

_FATAL = "yaf32"  # float grey with alpha: FFmpeg 8 aborts the process instead of converting it
_UNTAGGED = 2  # FFmpeg's AVCOL_SPC_UNSPECIFIED: the header does not say how RGB became YUV
_HD = (1280, 720)  # width or height from which an untagged frame is taken as HD


class Orientation:
    """The display matrix of a stream's frames, read again only when their rotation changes.

    PyAV's side data list and its frame refer to each other: once the list is read, the frame's memory is freed only by
    Python's garbage collector. Reading only the rotation avoids that.
    """

    def __init__(self) -> None:
        self._rotation: float | None = None
        self._matrix: Matrix | None = None

    def of(self, frame: VideoFrame) -> Matrix | None:
        """The linear part of the frame's matrix; None if it has none."""
        if frame.rotation != self._rotation:
            self._rotation, self._matrix = frame.rotation, _display_matrix(frame)
        return self._matrix


def rgb(frame: VideoFrame, *, aspect: float = 1.0, orientation: Orientation | None = None) -> Pixels:
    """Convert a frame to an upright SDR picture with square pixels.

    Untagged frames are converted with the matrix of BT.709 if they are HD, else with that of BT.601, as players do.

    Args:
        frame: a decoded frame of any pixel format.
        aspect: width over height of one of its pixels.

    Returns:
        (H, W, 3) uint8 RGB, C-contiguous.

    Raises:
        ValueError: FFmpeg cannot convert this pixel format to RGB.
    """
    if frame.format.name.startswith(_FATAL):
        raise ValueError(frame.format.name)
    width, matrix, mapping = max(1, round(frame.width * aspect)), _yuv_matrix(frame), tone_mapping_of(frame)
    layout = "rgb24" if mapping is None else "rgb48le"
    try:
        coded = frame.to_ndarray(format=layout, width=width, src_colorspace=matrix, threads=1)
    except FFmpegError:
        raise ValueError(frame.format.name) from None
    pixels = np.asarray(coded, np.uint8) if mapping is None else mapping.convert(np.asarray(coded, np.uint16))
    return np.ascontiguousarray(_rotate(pixels, (orientation or Orientation()).of(frame)))


def _yuv_matrix(frame: VideoFrame) -> Colorspace | None:
    """The matrix from YUV to RGB of an untagged frame; None: the frame's own, or FFmpeg's default, BT.601."""
    if frame.colorspace != _UNTAGGED:
        return None
    if tone_mapping_of(frame) is not None:
        return Colorspace.BT2020
    return Colorspace.ITU709 if frame.width >= _HD[0] or frame.height >= _HD[1] else None


def _display_matrix(frame: VideoFrame) -> Matrix | None:
    try:
        sides: Any = frame.side_data  # a mapping, unlike in PyAV's stub
        matrix = np.frombuffer(bytes(sides["DISPLAYMATRIX"]), np.int32)
    except KeyError:
        return None
    except ValueError:  # PyAV refuses to list side data that contains a type it does not support, such as EXIF
        angle = math.radians(-frame.rotation)
        cosine, sine = round(math.cos(angle)), round(math.sin(angle))
        return cosine, sine, -sine, cosine
    return int(matrix[0]), int(matrix[1]), int(matrix[3]), int(matrix[4])


def _rotate(pixels: Pixels, matrix: Matrix | None) -> Pixels:
    """Rotate and mirror to the nearest of the eight right-angled orientations."""
    if matrix is None:
        return pixels
    a, b, c, d = matrix
    if abs(b) > abs(a):  # the axes are swapped
        pixels, across, down = np.asarray(cv2.transpose(pixels), np.uint8), c, b
    else:
        across, down = a, d
    if across >= 0 and down >= 0:
        return pixels
    axis = -1 if across < 0 and down < 0 else int(across < 0)
    return np.asarray(cv2.flip(pixels, axis), np.uint8)
