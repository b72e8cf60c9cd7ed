"""Quarter turns of a picture, and of the faces in it.

MTCNN was trained on upright faces. It finds every face up to 45 degrees of roll, and half of the faces on their side
or upside down. In those it puts the landmarks where an upright face would have them: the eyes on the mouth. Shown a
face in all four quarter turns, O-Net is surest of the one that is nearly upright, see docs/measurements.md.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from monitor.faces import FaceDetector
from monitor.types import Faces, Floats, Pixels

ALL_TURNS = range(4)
_ROTATIONS = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_CLOCKWISE}
CERTAIN = 0.9  # minimum probability, in the right turn, of a face whose direction is known


@dataclass(frozen=True, slots=True)
class QuarterTurn:
    """Turns a picture counter-clockwise, and positions with it.

    >>> turn = QuarterTurn(1, width=640, height=360)
    >>> turn.turn_points(np.array([(640, 0)]))  # the top right corner becomes the top left one
    array([[0, 0]])
    """

    turns: int  # 0 to 3, by 90 degrees each
    width: int  # of the picture before it is turned, pixels
    height: int

    @property
    def inverse(self) -> "QuarterTurn":
        """The turn back."""
        width, height = (self.height, self.width) if self.turns % 2 else (self.width, self.height)
        return QuarterTurn(-self.turns % 4, width, height)

    def turn_points(self, points: Floats) -> Floats:
        """Points (..., 2) x y."""
        x, y = points[..., 0], points[..., 1]
        turned = ((x, y), (y, self.width - x), (self.width - x, self.height - y), (self.height - y, x))
        return np.stack(turned[self.turns], axis=-1)

    def turn_boxes(self, boxes: Floats) -> Floats:
        """Boxes (N, 4) x1 y1 x2 y2."""
        corners = self.turn_points(boxes.reshape(-1, 2, 2))
        return np.concatenate((corners.min(axis=1), corners.max(axis=1)), axis=1)

    def turn_faces(self, faces: Faces) -> Faces:
        """Boxes and landmarks of faces; the eye that was the left one before stays the first landmark."""
        if not self.turns:
            return faces
        return replace(faces, boxes=self.turn_boxes(faces.boxes), landmarks=self.turn_points(faces.landmarks))


def turn_of(pixels: Pixels, turns: int) -> QuarterTurn:
    """The turn of a picture (H, W, 3)."""
    height, width = pixels.shape[:2]
    return QuarterTurn(turns, width, height)


def turn_pixels(pixels: Pixels, turns: int) -> Pixels:
    """The picture, turned like ``np.rot90``, at a tenth of its cost."""
    return np.asarray(cv2.rotate(pixels, _ROTATIONS[turns]), np.uint8) if turns else pixels


def find_landmarks(detector: FaceDetector, pixels: Pixels, faces: Faces) -> Faces:
    """The faces with landmarks that are right at any roll: those of the quarter turn in which the detector is surest.

    Where that is the picture as it lies, the landmarks stay the same. A face that is certain in no turn gets its
    highest probability in place of the one in ``faces``: its landmarks are not to be trusted. Costs eight small crops
    a face.

    Args:
        detector: refines the faces in each turn twice, because a box found around a turned face fits it badly.
        pixels: (H, W, 3) RGB, the frame of the faces.

    Raises:
        EngineError: an engine failed.
    """
    if not len(faces):
        return faces
    candidates = []
    for turns in ALL_TURNS:
        turn, view = turn_of(pixels, turns), turn_pixels(pixels, turns)
        found = detector.refine(view, detector.refine(view, turn.turn_boxes(faces.boxes)).boxes)
        candidates.append(turn.inverse.turn_faces(found))
    probabilities = np.stack([found.probabilities for found in candidates])
    surest, highest = probabilities.argmax(axis=0), probabilities.max(axis=0)
    landmarks = [
        candidates[turns].landmarks[row] if turns else faces.landmarks[row] for row, turns in enumerate(surest.tolist())
    ]
    return replace(
        faces,
        probabilities=np.where(highest < CERTAIN, np.minimum(highest, faces.probabilities), faces.probabilities),
        landmarks=np.stack(landmarks),
    )
