"""Faces -> Qualities: the weight of each face's score.

Measured on the inner 70 % of the box, resampled to 64 x 64 pixels, so that the result does not depend on the size of
the face in the frame:

- *sharpness* = 100 sqrt(var(G1 - G2) / var(G2 - G4)), where Gn is the luma blurred by a Gaussian of n pixels: the
  contrast of fine detail relative to detail twice as coarse. Independent of the face's contrast and brightness; 31 to
  39 for any face blurred by 5 % of its height, 60 and more for a sharp one.
- *brightness*: mean luma.

Pose comes from the five landmarks, rotated upright, with all lengths divided by the distance of the eyes. Roll counts
over the full circle: it is the slope of the line between the eyes, on the side on which the mouth is below them. On a
generic head, the nose is d = 0.42 in front of the plane of eyes and mouth, 0.53 of the way down from the eyes to the
mouth, and that way is as long as the eyes are apart::

    tan(yaw)   = (nose.x - mid.x) / d               mid: the point between eyes and mouth at nose height
    tan(pitch) = (nose.y / mouth.y - 0.53) / d      y counted from the eyes

Signs refer to the picture: yaw > 0 measures right, pitch > 0 down, roll > 0 is clockwise, 180 is upside down.

The default limits were set by eye, on 80 faces of nine clips and on copies of them blurred by 1 to 5 % of
their height, sorted by each measure. Below a sharpness of 44 every face is visibly soft: nearly all
copies blurred by 3 %, half of the copies blurred by 2 %, and some faces of less than 50 pixels or with motion blur.
Full profiles measure 57 to 70 degrees of yaw, three-quarter views up to 47. Faces in an unlit
audience have a brightness of 36 to 47, faces on its lit stage 82 and more.
"""

from itertools import pairwise

import cv2
import numpy as np

from monitor.settings import QualitySettings
from monitor.types import Faces, Floats, Pixels, Qualities, Reason

_SIDE = 64
_INNER = 0.7  # central share of the box that contains only face
_NOSE_DEPTH, _NOSE_HEIGHT = 0.42, 0.53
_FULL_WEIGHT_FACTOR = 1.4  # a measure of this multiple of its limit gives full weight
_HALF_WEIGHT_FACTOR = (1 + _FULL_WEIGHT_FACTOR) / 2  # about half the weight
_MIN_WEIGHT = 0.1  # weight of a face at a limit
_TINY = 1e-6


def measure(pixels: Pixels, faces: Faces, settings: QualitySettings) -> Qualities:
    """Measure the faces and weight their scores.

    The weight depends on the face's worst property: 1 if it is far above its limit, 0.1 at the limit, linear in
    between, and 0, with reasons, below the limit.

    Args:
        pixels: (H, W, 3) RGB, the frame of the faces.

    Returns:
        N rows, in the order of ``faces``.
    """
    height, width = pixels.shape[:2]
    sizes = faces.boxes[:, 2:] - faces.boxes[:, :2]
    inside = np.minimum(faces.boxes[:, 2:], (width, height)) - np.maximum(faces.boxes[:, :2], 0)
    inside = np.maximum(inside, 0).astype(np.float32)
    size = np.where(inside[:, 0] > 0, inside[:, 1], np.float32(0))
    visible = inside.prod(axis=1) / np.maximum(sizes.prod(axis=1), _TINY)
    measures = np.array([_measure_pixels(pixels, box) for box in faces.boxes], np.float32).reshape(-1, 2)
    sharpness, brightness = measures.T
    yaw, pitch, roll = _pose(faces.landmarks)
    frontal = 90 - np.abs(yaw)

    checks = (
        (Reason.TOO_SMALL, size, settings.min_size, settings.min_size * _FULL_WEIGHT_FACTOR),
        (Reason.TOO_BLURRED, sharpness, settings.min_sharpness, settings.min_sharpness * _FULL_WEIGHT_FACTOR),
        (Reason.TOO_DARK, brightness, settings.min_brightness, settings.min_brightness * _FULL_WEIGHT_FACTOR),
        (Reason.PROFILE_POSE, frontal, 90 - settings.max_yaw, 90 - settings.max_yaw / _FULL_WEIGHT_FACTOR),
        (
            Reason.TILTED_POSE,
            180 - np.abs(roll),
            180 - settings.max_roll,
            180 - settings.max_roll / _FULL_WEIGHT_FACTOR,
        ),
        (Reason.OUT_OF_FRAME, visible, settings.min_visible, 1.0),
        (Reason.UNCERTAIN_FACE, faces.probabilities, settings.min_probability, 1.0),
    )
    reasons = tuple(
        tuple(reason for reason, values, limit, _ in checks if values[row] < limit) for row in range(len(faces))
    )
    ramps = [(values - limit) / max(full - limit, _TINY) for _, values, limit, full in checks]
    weights = _MIN_WEIGHT + (1 - _MIN_WEIGHT) * np.clip(np.min(ramps, axis=0), 0, 1)
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


def weak_points(*, size: float, sharpness: float, brightness: float, settings: QualitySettings) -> tuple[Reason, ...]:
    """The properties of a face, each of which alone halves the weight of its score or excludes it.

    Args:
        size: height of the face, pixels.
        sharpness: as measured by :func:`measure`.
        brightness: mean luma, 0..255.
    """
    checks = (
        (Reason.TOO_SMALL, size, settings.min_size),
        (Reason.TOO_BLURRED, sharpness, settings.min_sharpness),
        (Reason.TOO_DARK, brightness, settings.min_brightness),
    )
    return tuple(reason for reason, value, limit in checks if value < limit * _HALF_WEIGHT_FACTOR)


def _measure_pixels(pixels: Pixels, box: Floats) -> tuple[float, float]:
    """Sharpness and brightness; 0 and 0 if the face is outside the frame."""
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * (_INNER / 2)
    (x1, y1), (x2, y2) = np.maximum(centre - half, 0).astype(int), np.maximum(centre + half, 0).astype(int)
    part = pixels[y1:y2, x1:x2]
    if not part.size:
        return 0.0, 0.0
    shrink = max(1, min(part.shape[:2]) // _SIDE)
    if shrink > 1:  # first by a whole factor, because only then area averaging is fast
        height, width = (side // shrink for side in part.shape[:2])
        whole = part[: height * shrink, : width * shrink]
        part = np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    grey = cv2.resize(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR)
    luma = np.asarray(grey, np.float32)
    blurred = [cv2.GaussianBlur(luma, (0, 0), sigma) for sigma in (1, 2, 4)]
    fine, coarse = (float((one - other).var()) for one, other in pairwise(blurred))
    return 100 * float(np.sqrt(fine / max(coarse, 0.1))), float(luma.mean())


def measure_roll(landmarks: Floats) -> Floats:
    """Roll of faces (N, 5, 2), (N,) degrees, -180..180; also right for mirrored landmarks."""
    left_eye, right_eye, _, left_mouth, right_mouth = landmarks.transpose(1, 0, 2)
    across, down = right_eye - left_eye, left_mouth + right_mouth - left_eye - right_eye
    side = np.where(across[:, 0] * down[:, 1] < across[:, 1] * down[:, 0], -1, 1)[:, None]
    x, y = (across * side).T
    return np.asarray(np.degrees(np.arctan2(y, x)), np.float32)


def _pose(landmarks: Floats) -> tuple[Floats, Floats, Floats]:
    """Yaw, pitch and roll, each (N,), degrees."""
    left_eye, right_eye, nose, left_mouth, right_mouth = landmarks.transpose(1, 0, 2)
    degrees_of_roll = measure_roll(landmarks)
    roll, across = np.radians(degrees_of_roll), right_eye - left_eye
    eyes = (left_eye + right_eye) / 2
    nose, mouth = nose - eyes, (left_mouth + right_mouth) / 2 - eyes
    right = np.stack((np.cos(roll), np.sin(roll)), axis=1)
    down = np.stack((-np.sin(roll), np.cos(roll)), axis=1)
    height = (nose * down).sum(axis=1) / np.maximum((mouth * down).sum(axis=1), _TINY)
    aside = (nose * right).sum(axis=1) - height * (mouth * right).sum(axis=1)
    yaw = np.arctan2(aside, _NOSE_DEPTH * np.linalg.norm(across, axis=1))
    pitch = np.arctan2(height - _NOSE_HEIGHT, _NOSE_DEPTH)
    return np.degrees(yaw).astype(np.float32), np.degrees(pitch).astype(np.float32), degrees_of_roll
