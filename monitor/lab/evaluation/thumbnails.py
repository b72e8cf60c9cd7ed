"""Small JPEGs of faces, as data URIs for the pages of a report.

Often faces may not be redistributed, so every page must work without them.
"""

import base64

import numpy as np

from monitor.classifiers.crops import cut_squares
from monitor.system.jpeg import encode
from monitor.types import Frame, Observation, Pixels

SIDE = 112  # pixels
_QUALITY = 80


def face_jpeg(pixels: Pixels, *, side: int = SIDE) -> bytes:
    """The centred square of a picture (H, W, 3) RGB, as a JPEG of ``side`` x ``side`` pixels."""
    height, width = pixels.shape[:2]
    edge = min(height, width)
    left, top = (width - edge) / 2, (height - edge) / 2
    square = np.array([[left, top, left + edge, top + edge]], np.float32)
    return encode(cut_squares(pixels, square, size=side)[0], quality=_QUALITY)


def data_uri(jpeg: bytes) -> str:
    """A JPEG as a data URI."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


class HighestFace:
    """A sink that keeps the face with the highest score, as the classifier saw it."""

    def __init__(self) -> None:
        self._highest = -np.inf
        self.jpeg: bytes | None = None  # None: no face was scored

    def __call__(self, frame: Frame, observation: Observation) -> None:
        """Look at one frame."""
        scores = observation.scores
        if not len(scores) or float(scores.log_odds.max()) <= self._highest:
            return
        row = int(scores.log_odds.argmax())
        self._highest = float(scores.log_odds[row])
        self.jpeg = encode(cut_squares(frame.pixels, scores.crops[row : row + 1], size=SIDE)[0], quality=_QUALITY)
