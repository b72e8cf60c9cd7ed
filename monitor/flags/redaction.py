"""The faces in a flag's pictures that the flag is not about, made unrecognisable."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]  # x1 y1 x2 y2, pixels

_CELLS: Final = 6  # of a face's shorter side: 36 colours are no face
_MARGIN: Final = 0.25  # of the box, on each side: hair, ears, chin
_JPEG: Final = 92  # quality
_OFF: Final = 0.02  # by which two aspect ratios may differ through rounding


@dataclass(frozen=True, slots=True)
class Redaction:
    """Where they are in the key frame, and in every picture of its geometry."""

    boxes: tuple[Box, ...]
    own: Box | None  # the face that the flag is about
    width: int  # pixels that the boxes count in
    height: int

    @classmethod
    def read(cls, path: Path, *, own: int | None) -> Self | None:
        """What a flag's ``faces.json`` says; None if it is not there or says nothing usable.

        Args:
            path: of ``{"faces": [{"track_id": int, "box": [x1, y1, x2, y2]}], "width": int, "height": int}``.
            own: id of the track that the flag is about; None: all faces are bystanders.
        """
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            faces = [(face["track_id"], _box(face["box"])) for face in said["faces"]]
            width, height = int(said["width"]), int(said["height"])
        except (OSError, ValueError, TypeError, KeyError, OverflowError):
            return None
        if width < 1 or height < 1:
            return None
        mine = [box for track_id, box in faces if own is not None and track_id == own]
        others = tuple(box for track_id, box in faces if own is None or track_id != own)
        return cls(others, mine[0] if mine else None, width, height)

    @property
    def in_words(self) -> str:
        """What was done to a picture: "2 faces blurred"."""
        return f"{len(self.boxes)} face{'s' if len(self.boxes) != 1 else ''} blurred"

    def blurred(self, content: bytes, *, suffix: str) -> bytes | None:
        """A picture in which they cannot be recognised; None: there are none, it may stay as it is.

        Each face is averaged into a few cells, which no later step can undo, and these are smoothed for the eye. The
        margin around a face spares the flag's own face, the face itself does not.

        Args:
            content: of the file.
            suffix: ``.jpg`` or ``.png``, for the result.

        Raises:
            ValueError: it is no picture, or has another geometry: where they are is not known.
        """
        if not self.boxes:
            return None
        decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
        if decoded is None:
            raise ValueError("it cannot be decoded")
        pixels = np.asarray(decoded, np.uint8)
        height, width = pixels.shape[:2]
        if abs(math.log(width * self.height / (height * self.width))) > _OFF:
            raise ValueError("it is cut differently from the frame whose faces are known")
        spared = pixels.copy()
        scale = width / self.width
        for box in self.boxes:
            _blur(pixels, box, scale=scale, margin=_MARGIN)
        if self.own is not None:
            rows, columns = _area(self.own, scale=scale, margin=0.0, shape=pixels.shape)
            pixels[rows, columns] = spared[rows, columns]
            for box in self.boxes:
                _blur(pixels, box, scale=scale, margin=0.0)
        options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG] if suffix == ".jpg" else []
        return cv2.imencode(suffix, pixels, options)[1].tobytes()


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
    """Average a box of ``pixels`` (H, W, 3) into cells, in place."""
    rows, columns = _area(box, scale=scale, margin=margin, shape=pixels.shape)
    face = pixels[rows, columns]
    height, width = face.shape[:2]
    if not height or not width:
        return
    side = max(min(height, width) / _CELLS, 1.0)
    cells = cv2.resize(face, (max(round(width / side), 1), max(round(height / side), 1)), interpolation=cv2.INTER_AREA)
    mosaic = cv2.resize(cells, (width, height), interpolation=cv2.INTER_NEAREST)
    pixels[rows, columns] = cv2.GaussianBlur(mosaic, (0, 0), sigmaX=max(side / 3, 0.5))
