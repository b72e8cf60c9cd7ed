"""Cuts squares around faces: the same functions for training, evaluation and live scoring.

The model card defines the square (``CropPolicy``), so that the crops match the training data. No rotation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from monitor.types import Floats, Pixels

if TYPE_CHECKING:
    from monitor.classifiers.model_card import CropPolicy  # training runs where there is no pydantic

_WHOLE_PIXELS_FROM = 4.0  # from this reduction on, half a source pixel is an eighth of a crop pixel at most


def crop_squares(boxes: Floats, *, policy: CropPolicy) -> Floats:
    """The square of each face box: (N, 4) -> (N, 4), ``x1 y1 x2 y2`` in pixels; may reach outside the frame."""
    height = boxes[:, 3] - boxes[:, 1]
    centre_x = (boxes[:, 0] + boxes[:, 2]) / 2
    centre_y = (boxes[:, 1] + boxes[:, 3]) / 2 + policy.centre_below_box_centre_over_box_height * height
    half = np.maximum(policy.side_over_box_height * height, 1.0) / 2
    squares: Floats = np.stack([centre_x - half, centre_y - half, centre_x + half, centre_y + half], axis=1)
    return squares.astype(np.float32, copy=False)


def crop_faces(pixels: Pixels, boxes: Floats, *, policy: CropPolicy, size: int) -> tuple[Pixels, Floats]:
    """The crops (N, size, size, 3) of face boxes (N, 4), and their squares (N, 4)."""
    squares = crop_squares(boxes, policy=policy)
    return cut_squares(pixels, squares, size=size), squares


def cut_squares(pixels: Pixels, squares: Floats, *, size: int) -> Pixels:
    """Squares of a picture (H, W, 3), resampled to (N, size, size, 3) uint8.

    Reduction averages over the area of each crop pixel, enlargement interpolates linearly. Positions are exact to a
    fraction of a source pixel, except that squares of four times ``size`` and more are rounded to whole pixels. Outside
    the frame, its last row or column is repeated.
    """
    crops = np.empty((len(squares), size, size, 3), np.uint8)
    for crop, (x1, y1, x2, _) in zip(crops, squares.tolist(), strict=True):
        side = x2 - x1
        cut = _average if side >= _WHOLE_PIXELS_FROM * size else _sample
        crop[:] = cut(pixels, x1, y1, side=side, size=size)
    return crops


def _sample(pixels: Pixels, x: float, y: float, *, side: float, size: int) -> NDArray[Any]:
    """Sample ``density`` x ``density`` points per crop pixel, at most 1.1 source pixels apart, and average them."""
    height, width = pixels.shape[:2]
    left, top = (min(max(math.floor(start) - 1, 0), end - 1) for start, end in ((x, width), (y, height)))
    right, bottom = (max(math.ceil(start + side) + 1, first + 1) for start, first in ((x, left), (y, top)))
    density = max(1, math.ceil(side / size - 0.1))
    step = side / (size * density)
    first = step / 2 - 0.5  # pixel centres are whole numbers in OpenCV, half numbers here
    samples = cv2.warpAffine(
        pixels[top:bottom, left:right],
        np.array([[step, 0, x - left + first], [0, step, y - top + first]]),
        (size * density, size * density),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return cv2.resize(samples, (size, size), interpolation=cv2.INTER_AREA) if density > 1 else samples


def _average(pixels: Pixels, x: float, y: float, *, side: float, size: int) -> NDArray[Any]:
    """Average the source pixels under each crop pixel, with the square rounded to whole source pixels."""
    left, top, count = round(x), round(y), round(side)
    region = pixels[max(top, 0) : top + count, max(left, 0) : left + count]
    if region.shape[:2] != (count, count):
        rows, columns = (np.arange(start, start + count) for start in (top, left))
        region = pixels.take(rows, axis=0, mode="clip").take(columns, axis=1, mode="clip")
    return cv2.resize(region, (size, size), interpolation=cv2.INTER_AREA)
