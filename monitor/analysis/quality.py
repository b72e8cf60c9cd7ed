"""Faces -> Qualities: how much a score of each face should count.

Measured on the inner 70 % of the box, brought to 64 x 64 pixels, so that nothing depends on how large
the face is in the frame:

- *sharpness* = 100 sqrt(var(G1 - G2) / var(G2 - G4)), G the luma blurred by a Gaussian of that many
  pixels: the contrast of fine detail over that of detail twice as coarse. Free of the face's contrast
  and brightness; 31 to 39 for any face blurred by 5 % of its height, 60 and more for a good one.
- *brightness*: mean luma.

Pose comes from the five points, turned upright (roll = slope of the line between the eyes), with all
lengths over the distance of the eyes. On a generic head the nose is d = 0.42 in front of the plane of
eyes and mouth, 0.53 of the way down between them, and that way is as long as the eyes are apart::

    tan(yaw)   = (nose.x - mid.x) / d               mid: the point between eyes and mouth at nose height
    tan(pitch) = (nose.y / mouth.y - 0.53) / d      y counted from the eyes

Signs are those of the picture: yaw > 0 looks right, pitch > 0 down, roll > 0 is clockwise.

The default limits were set by eye, on 80 faces of nine clips and copies of them blurred by 1 to 5 % of
their height, sorted by each measure. Under a sharpness of 44 every face is visibly soft: nearly all
copies blurred by 3 %, half of those by 2 %, and of the others some of less than 50 pixels or smeared by
motion. Full profiles measure 57 to 70 degrees of yaw, three-quarter views up to 47. Faces in an unlit
audience have a brightness of 36 to 47, those on its lit stage 82 and more.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np

from monitor.types import Faces, Floats, Pixels, Qualities, Reason

if TYPE_CHECKING:
    from monitor.settings import QualitySettings

_SIDE = 64
_INNER = 0.7  # share of the box, about its centre, that shows face
_NOSE_DEPTH, _NOSE_HEIGHT = 0.42, 0.53
_FULL = 1.4  # times its limit, a measure is as good as it needs to be
_LEAST = 0.1  # weight of a face that only just passes
_TINY = 1e-6


def measure(pixels: Pixels, faces: Faces, settings: QualitySettings) -> Qualities:
    """How well each face can be judged.

    A weight is that of the face's worst property: 1 where that is comfortably good, 0.1 at its limit,
    linear in between, and 0, with reasons, beyond it.

    Args:
        pixels: (H, W, 3) RGB, the frame the faces were found in.
        faces: N faces.
        settings: the limits.

    Returns:
        N rows, in the order of ``faces``.
    """
    height, width = pixels.shape[:2]
    sizes = faces.boxes[:, 2:] - faces.boxes[:, :2]
    inside = np.minimum(faces.boxes[:, 2:], (width, height)) - np.maximum(faces.boxes[:, :2], 0)
    inside = np.maximum(inside, 0).astype(np.float32)
    size = np.where(inside[:, 0] > 0, inside[:, 1], np.float32(0))
    visible = inside.prod(axis=1) / np.maximum(sizes.prod(axis=1), _TINY)
    looks = np.array([_look(pixels, box) for box in faces.boxes], np.float32).reshape(-1, 2)
    sharpness, brightness = looks.T
    yaw, pitch, roll = _pose(faces.landmarks)
    frontal = 90 - np.abs(yaw)

    checks = (
        (Reason.TOO_SMALL, size, settings.min_size, settings.min_size * _FULL),
        (Reason.TOO_BLURRED, sharpness, settings.min_sharpness, settings.min_sharpness * _FULL),
        (Reason.TOO_DARK, brightness, settings.min_brightness, settings.min_brightness * _FULL),
        (Reason.PROFILE_POSE, frontal, 90 - settings.max_yaw, 90 - settings.max_yaw / _FULL),
        (Reason.OUT_OF_FRAME, visible, settings.min_visible, 1.0),
        (Reason.UNCERTAIN_FACE, faces.probabilities, settings.min_probability, 1.0),
    )
    reasons = tuple(
        tuple(reason for reason, values, limit, _ in checks if values[row] < limit) for row in range(len(faces))
    )
    ramps = [(values - limit) / max(full - limit, _TINY) for _, values, limit, full in checks]
    weights = _LEAST + (1 - _LEAST) * np.clip(np.min(ramps, axis=0), 0, 1)
    weights[np.array([bool(why) for why in reasons], bool)] = 0
    return Qualities(
        size=size,
        sharpness=sharpness,
        brightness=brightness,
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        weights=weights.astype(np.float32),
        reasons=reasons,
    )


def _look(pixels: Pixels, box: Floats) -> tuple[float, float]:
    """Sharpness and brightness; 0 and 0 where nothing of the face is in the frame."""
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * (_INNER / 2)
    (x1, y1), (x2, y2) = np.maximum(centre - half, 0).astype(int), np.maximum(centre + half, 0).astype(int)
    part = pixels[y1:y2, x1:x2]
    if not part.size:
        return 0.0, 0.0
    shrink = max(1, min(part.shape[:2]) // _SIDE)
    if shrink > 1:  # to a whole fraction first: area averaging is fast only there
        height, width = (side // shrink for side in part.shape[:2])
        whole = part[: height * shrink, : width * shrink]
        part = np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    grey = cv2.resize(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR)
    luma = np.asarray(grey, np.float32)
    blurred = [cv2.GaussianBlur(luma, (0, 0), sigma) for sigma in (1, 2, 4)]
    fine, coarse = (float((one - other).var()) for one, other in pairwise(blurred))
    return 100 * float(np.sqrt(fine / max(coarse, 0.1))), float(luma.mean())


def _pose(landmarks: Floats) -> tuple[Floats, Floats, Floats]:
    """Yaw, pitch and roll, each (N,), degrees."""
    left_eye, right_eye, nose, left_mouth, right_mouth = landmarks.transpose(1, 0, 2)
    across = right_eye - left_eye
    roll = np.arctan2(across[:, 1], across[:, 0])
    eyes = (left_eye + right_eye) / 2
    nose, mouth = nose - eyes, (left_mouth + right_mouth) / 2 - eyes
    right = np.stack((np.cos(roll), np.sin(roll)), axis=1)
    down = np.stack((-np.sin(roll), np.cos(roll)), axis=1)
    height = (nose * down).sum(axis=1) / np.maximum((mouth * down).sum(axis=1), _TINY)
    aside = (nose * right).sum(axis=1) - height * (mouth * right).sum(axis=1)
    yaw = np.arctan2(aside, _NOSE_DEPTH * np.linalg.norm(across, axis=1))
    pitch = np.arctan2(height - _NOSE_HEIGHT, _NOSE_DEPTH)
    degrees = [np.degrees(angle).astype(np.float32) for angle in (yaw, pitch, roll)]
    return degrees[0], degrees[1], degrees[2]
