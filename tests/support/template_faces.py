"""A face detector that looks for one known face, by template matching: a plug-in for tests."""

from collections.abc import Callable

import cv2
import numpy as np
from support.footage import FACE, portrait

from monitor.inference.backends import Engine
from monitor.inference.network import Network
from monitor.inference.summed_area import SummedArea
from monitor.settings import FaceDetectorSettings
from monitor.types import Faces, Floats, Pixels

_LANDMARKS = np.array([[0.32, 0.38], [0.68, 0.38], [0.5, 0.58], [0.36, 0.76], [0.64, 0.76]], np.float32)  # of a box
_SCALES = (1.0, 2.0)  # of the portrait alone, and of the demo
_ACCEPTED = 0.6  # correlation


class TemplateDetector:
    """Finds the portrait's face, one at the most; landmarks where an average face has them."""

    def __init__(self) -> None:
        x1, y1, x2, y2 = FACE
        face = cv2.cvtColor(portrait()[y1:y2, x1:x2], cv2.COLOR_RGB2GRAY)
        self._templates = [cv2.resize(face, None, fx=scale, fy=scale) for scale in _SCALES]

    def detect(self, pixels: Pixels) -> Faces:
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        best, box = _ACCEPTED, None
        for template in self._templates:
            height, width = template.shape
            if grey.shape[0] < height or grey.shape[1] < width:
                continue
            _, found, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(grey, template, cv2.TM_CCOEFF_NORMED))
            if found > best:
                best, box = found, (x, y, x + width, y + height)
        if box is None:
            return Faces.none()
        return _faces(np.array([box], np.float32), np.array([best], np.float32))

    def refine(self, pixels: Pixels, boxes: Floats) -> Faces:
        """The face where it is now, for the box around it; the other boxes are empty."""
        found = self.detect(pixels)
        moved, probabilities = boxes.copy(), np.zeros(len(boxes), np.float32)
        for row, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
            x, y = (found.boxes[0, :2] + found.boxes[0, 2:]) / 2 if len(found) else (-1, -1)
            if x1 < x < x2 and y1 < y < y2:
                moved[row], probabilities[row] = found.boxes[0], found.probabilities[0]
        return _faces(moved, probabilities)


def _faces(boxes: Floats, probabilities: Floats) -> Faces:
    sizes = boxes[:, None, 2:] - boxes[:, None, :2]
    return Faces(boxes=boxes, probabilities=probabilities, landmarks=boxes[:, None, :2] + _LANDMARKS * sizes)


def load(
    settings: FaceDetectorSettings,
    *,
    compile_network: Callable[[Network], Engine],
    resampler: type[SummedArea],
) -> TemplateDetector:
    return TemplateDetector()
