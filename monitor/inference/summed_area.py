"""Resamples pictures exactly for MTCNN's cascade, with four look-ups per output pixel.

Importing this module does not import torch; :mod:`monitor.inference.cuda_summed_area` is the GPU version.
"""

from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from monitor.types import Floats, Pixels

Integers = NDArray[np.int64]
Sides = tuple[Integers, Integers, Integers, Integers]  # top, bottom, left, right of pooling bins


class SummedArea:
    """A picture as its summed-area table (Crow, 1984): the sum over any rectangle takes four look-ups.

    Resampling is adaptive average pooling: an output pixel is the mean of all pixels that it touches.

    Args:
        pixels: (H, W, 3) RGB.
    """

    def __init__(self, pixels: Pixels) -> None:
        self.height, self.width = pixels.shape[:2]
        self._pixels = pixels

    def resize(self, *, height: int, width: int) -> Floats:
        """The whole picture as (1, 3, height, width) float32, 0..255."""
        top, bottom = _bins(np.array([0]), np.array([self.height]), count=height)
        left, right = _bins(np.array([0]), np.array([self.width]), count=width)
        areas = (bottom - top).T * (right - left)
        return self._grid_means((top[0], bottom[0], left[0], right[0]), areas)

    def select_overlapping(self, squares: Floats) -> Floats:
        """The squares (1-based, inclusive) that overlap the picture."""
        x1, y1, x2, y2 = self._clip(squares)
        inside: Floats = squares[(x1 < x2) & (y1 < y2)]
        return inside

    def cut(self, squares: Floats, *, side: int) -> Floats:
        """The content of each square (1-based, inclusive), stretched if clipped: (N, 3, side, side) float32, 0..255."""
        x1, y1, x2, y2 = self._clip(squares)
        top, bottom = _bins(y1, y2, count=side)
        left, right = _bins(x1, x2, count=side)
        areas = (bottom - top)[:, None, :, None] * (right - left)[:, None, None]
        row = self.width + 1
        return self._square_means(
            ((top * row)[:, :, None], (bottom * row)[:, :, None], left[:, None], right[:, None]), areas
        )

    @cached_property
    def _sums(self) -> NDArray[np.int32]:
        """(H + 1, W + 1, 3); int32 may wrap around in huge images, but differences of entries stay correct."""
        return np.asarray(cv2.integral(self._pixels), np.int32)

    def _grid_means(self, sides: Sides, areas: Integers) -> Floats:
        """(1, 3, h, w) means of bins with sides (h,), (h,), (w,), (w,) and areas (h, w)."""
        top, bottom, left, right = sides
        bands = np.take(self._sums, bottom, axis=0)
        bands -= np.take(self._sums, top, axis=0)
        sums = np.take(bands, right, axis=1)
        sums -= np.take(bands, left, axis=1)
        means: Floats = np.divide(sums.transpose(2, 0, 1), areas, dtype=np.float32, order="C")
        return means[None]

    def _square_means(self, sides: Sides, areas: Integers) -> Floats:
        """(N, 3, h, w) means of bins with sides (N, h, 1) in rows of the table, (N, 1, w), and areas (N, 1, h, w)."""
        top, bottom, left, right = sides
        table = self._sums.reshape(-1, 3)
        sums = np.take(table, bottom + right, axis=0)
        sums -= np.take(table, bottom + left, axis=0)
        sums -= np.take(table, top + right, axis=0)
        sums += np.take(table, top + left, axis=0)
        means: Floats = np.divide(sums.transpose(0, 3, 1, 2), areas, dtype=np.float32, order="C")
        return means

    def _clip(self, squares: Floats) -> Integers:
        """x1, y1, x2, y2, each (N,): whole pixels inside the picture, 0-based and half-open."""
        x1, y1, x2, y2 = squares.T.astype(np.int64)
        return np.stack(
            (np.maximum(x1, 1) - 1, np.maximum(y1, 1) - 1, np.minimum(x2, self.width), np.minimum(y2, self.height))
        )


def _bins(start: Integers, stop: Integers, *, count: int) -> tuple[Integers, Integers]:
    """Start and end of each of ``count`` pooling bins between ``start`` and ``stop`` (N,): two arrays (N, count)."""
    first, last = start[:, None], stop[:, None]
    i = np.arange(count)
    return first + i * (last - first) // count, last - (count - 1 - i) * (last - first) // count
