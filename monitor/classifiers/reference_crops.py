"""Reference crops for the parity test of an engine: the demo's faces, unchanged and degraded like poor cameras."""

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np

from monitor.classifiers.crops import crop_faces
from monitor.classifiers.model_card import CropPolicy
from monitor.media.sources.demo import DEMO_FACE_BOX, demo_faces
from monitor.types import Pixels

_SHIFTS: Final = (0.0, -9.0, 9.0)  # pixels, down and right
_SEED: Final = 7


def reference_crops(policy: CropPolicy, *, size: int) -> Pixels:
    """Crops (N, size, size, 3) of a genuine and a blended face with several lights and offsets; always the same."""
    boxes = np.array([[side + shift for side in DEMO_FACE_BOX] for shift in _SHIFTS], np.float32)
    pictures = [seen for face in demo_faces() for seen in _degrade(face)]
    return np.concatenate([crop_faces(picture, boxes, policy=policy, size=size)[0] for picture in pictures])


def _degrade(face: Pixels) -> Iterator[Pixels]:
    yield face
    yield np.asarray(cv2.convertScaleAbs(face, alpha=0.55), np.uint8)  # dark
    yield np.asarray(cv2.convertScaleAbs(face, alpha=1.25, beta=15), np.uint8)  # overexposed
    yield np.asarray(cv2.GaussianBlur(face, (0, 0), 2.5), np.uint8)
    noise = np.random.default_rng(_SEED).normal(0, 9, face.shape)
    yield np.clip(face + noise, 0, 255).astype(np.uint8)
