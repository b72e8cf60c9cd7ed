"""Outlines of faces: each label has its own line style, so that labels differ without colour."""

import itertools
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from monitor.types import Floats, Label, Pixels

_SHADOW = (18, 20, 24)
_SUBPIXEL_BITS = 4  # OpenCV draws anti-aliased lines at 1/16 pixel, so slow boxes move smoothly


def _dashes(count: int, share: float) -> tuple[tuple[float, float], ...]:
    """Evenly spaced pieces of a side; the first and last reach its ends, so that the corners are closed."""
    period = (1.0 - share / count) / (count - 1)
    return tuple((k * period, k * period + share / count) for k in range(count))


@dataclass(frozen=True, slots=True)
class Outline:
    """The style of a box with some label."""

    rgb: tuple[int, int, int]  # Okabe and Ito's palette, distinguishable with colour blindness
    pieces: tuple[tuple[float, float], ...]  # pieces of each side, as fractions of its length
    weight: float  # line width, in units of the frame


OUTLINES = {
    Label.NOT_ENOUGH_EVIDENCE: Outline((205, 208, 212), _dashes(6, 0.36), 1.0),
    Label.LIKELY_REAL: Outline((86, 180, 233), ((0.0, 0.24), (0.76, 1.0)), 1.3),
    Label.SUSPICIOUS: Outline((240, 214, 50), _dashes(4, 0.62), 1.5),
    Label.LIKELY_FAKE: Outline((240, 96, 20), ((0.0, 1.0),), 1.8),
}


def draw_outline(canvas: Pixels, box: Floats, *, label: Label, unit: float) -> None:
    """Draw the outline of ``box`` (4,) on ``canvas``; ``unit`` is the width of a plain line in pixels."""
    style = OUTLINES[label]
    x1, y1, x2, y2 = box.tolist()
    corners = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1)])
    spans = np.array(style.pieces)[:, :, None]
    lines = np.concatenate([a + (b - a) * spans for a, b in itertools.pairwise(corners)])
    _draw_lines(canvas, lines, style, unit)


def draw_leader(
    canvas: Pixels, start: tuple[float, float], end: tuple[float, float], *, label: Label, unit: float
) -> None:
    """Draw the leader line from a box to a distant plate."""
    _draw_lines(canvas, np.array([[start, end]]), OUTLINES[label], unit)


def _draw_lines(canvas: Pixels, lines: NDArray[np.floating], style: Outline, unit: float) -> None:
    fixed = (lines * (1 << _SUBPIXEL_BITS)).round().astype(np.int32)  # (N, 2, 2) starts and ends
    width = max(2, round(unit * style.weight))
    for thickness, rgb in ((width + max(2, round(unit)), _SHADOW), (width, style.rgb)):
        cv2.polylines(canvas, list(fixed), False, rgb, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)  # noqa: FBT003
