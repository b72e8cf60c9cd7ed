"""Blurs all faces in a flag's pictures except the flagged one."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]  # x1 y1 x2 y2, pixels

_CELLS: Final = 6  # per shorter side of a face: 36 colours are not recognisable
_MARGIN: Final = 0.25  # of the box, on each side: hair, ears, chin
_JPEG: Final = 92  # quality
_RATIO_TOLERANCE: Final = 0.02  # log ratio of two aspect ratios that differ only by rounding


@dataclass(frozen=True, slots=True)
class Redaction:
    """The positions of the faces in the key frame, valid for every picture of the same aspect ratio."""

    boxes: tuple[Box, ...]  # of the faces to blur
    own: Box | None  # of the flagged face
    width: int  # pixels, of the frame of the boxes
    height: int

    @classmethod
    def read(cls, path: Path, *, own: int | None) -> Self | None:
        """Reads a flag's ``faces.json``; None if the file is missing or invalid.

        Args:
            path: of ``{"faces": [{"track_id": int, "box": [x1, y1, x2, y2]}], "width": int, "height": int}``.
            own: id of the flagged track; None: all faces are blurred.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            faces = [(face["track_id"], _box(face["box"])) for face in content["faces"]]
            width, height = int(content["width"]), int(content["height"])
        except (OSError, ValueError, TypeError, KeyError, OverflowError):
            return None
        if width < 1 or height < 1:
            return None
        flagged = [box for track_id, box in faces if own is not None and track_id == own]
        others = tuple(box for track_id, box in faces if own is None or track_id != own)
        return cls(others, flagged[0] if flagged else None, width, height)

    @property
    def in_words(self) -> str:
        """The alteration of a picture: "2 faces blurred"."""
        return f"{len(self.boxes)} face{'s' if len(self.boxes) != 1 else ''} blurred"

    def blur(self, content: bytes, *, suffix: str) -> bytes | None:
        """A picture with unrecognisable faces; None if there is no face to blur.

        Each face is averaged into a few cells, which cannot be undone, and the cells are smoothed. The margin around a
        blurred face does not cover the flagged face, but the blurred face itself may cover it.

        Args:
            suffix: ``.jpg`` or ``.png``, for the result.

        Raises:
            ValueError: the content is not a picture, or its aspect ratio differs, so the positions are unknown.
        """
        if not self.boxes:
            return None
        decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
        if decoded is None:
            raise ValueError("it cannot be decoded")
        pixels = np.asarray(decoded, np.uint8)
        height, width = pixels.shape[:2]
        if abs(math.log(width * self.height / (height * self.width))) > _RATIO_TOLERANCE:
            raise ValueError("its aspect ratio differs from the frame with known face positions")
        original = pixels.copy()
        scale = width / self.width
        for box in self.boxes:
            _blur(pixels, box, scale=scale, margin=_MARGIN)
        if self.own is not None:
            rows, columns = _area(self.own, scale=scale, margin=0.0, shape=pixels.shape)
            pixels[rows, columns] = original[rows, columns]
            for box in self.boxes:
                _blur(pixels, box, scale=scale, margin=0.0)
        options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG] if suffix == ".jpg" else []
        return cv2.imencode(suffix, pixels, options)[1].tobytes()


def blur_outside(pixels: NDArray[np.uint8], box: Box | None, *, scale: float) -> NDArray[np.uint8]:
    """A copy of a picture, unrecognisable outside a box.

    Args:
        pixels: (H, W, 3).
        box: stays as it is; None: the whole picture is blurred.
        scale: pixels of the picture per unit of the box.
    """
    height, width = pixels.shape[:2]
    blurred = pixels.copy()
    _blur(blurred, (0.0, 0.0, float(width), float(height)), scale=1.0, margin=0.0)
    if box is not None:
        rows, columns = _area(box, scale=scale, margin=0.0, shape=pixels.shape)
        blurred[rows, columns] = pixels[rows, columns]
    return blurred


def blur_boxes(pixels: NDArray[np.uint8], boxes: Sequence[Box]) -> NDArray[np.uint8]:
    """A copy of a picture (H, W, 3) in which these boxes and a margin around them are unrecognisable."""
    blurred = pixels.copy()
    for box in boxes:
        _blur(blurred, box, scale=1.0, margin=_MARGIN)
    return blurred


def _box(edges: Any) -> Box:  # noqa: ANN401 - from a file
    x1, y1, x2, y2 = map(float, edges)
    if not all(map(math.isfinite, (x1, y1, x2, y2))):
        raise ValueError("a box is not finite")
    return x1, y1, x2, y2


def _area(box: Box, *, scale: float, margin: float, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of a box, enlarged, within a picture of that shape; may be empty."""
    x1, y1, x2, y2 = (edge * scale for edge in box)
    wide, high = margin * (x2 - x1), margin * (y2 - y1)
    top, bottom = (min(max(edge, 0), shape[0]) for edge in (math.floor(y1 - high), math.ceil(y2 + high)))
    left, right = (min(max(edge, 0), shape[1]) for edge in (math.floor(x1 - wide), math.ceil(x2 + wide)))
    return slice(top, bottom), slice(left, right)


def _blur(pixels: NDArray[np.uint8], box: Box, *, scale: float, margin: float) -> None:
    """Averages a box of ``pixels`` (H, W, 3) into cells, in place."""
    rows, columns = _area(box, scale=scale, margin=margin, shape=pixels.shape)
    face = pixels[rows, columns]
    height, width = face.shape[:2]
    if not height or not width:
        return
    side = max(min(height, width) / _CELLS, 1.0)
    cells = cv2.resize(face, (max(round(width / side), 1), max(round(height / side), 1)), interpolation=cv2.INTER_AREA)
    mosaic = cv2.resize(cells, (width, height), interpolation=cv2.INTER_NEAREST)
    pixels[rows, columns] = cv2.GaussianBlur(mosaic, (0, 0), sigmaX=max(side / 3, 0.5))
