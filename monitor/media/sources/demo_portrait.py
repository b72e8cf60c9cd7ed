"""The face of ``demo:``: a public-domain portrait, a self-blended copy of it, and a second person.

The copy is a self-blended image after Shiohara & Yamasaki, "Detecting Deepfakes with Self-Blended
Images" (CVPR 2022): source and target are the same picture; the source is transformed in colour and
frequency and slightly warped, then blended into the target through a soft, deformed mask of the face.
"""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from monitor.types import Floats, Pixels

_FILE = Path(__file__).parents[2] / "assets" / "astronaut.jpg"
FACE = (180, 61, 268, 172)  # x1 y1 x2 y2 of the face in the portrait, pixels
_HULL = np.array(  # the face without hair and ears, clockwise from the left temple, pixels
    [
        (188, 104), (197, 93), (224, 88), (250, 93), (262, 104), (263, 128),
        (257, 152), (244, 169), (227, 177), (210, 172), (195, 156), (187, 132),
    ],
    np.int32,
)  # fmt: skip
_CONTRAST = np.float32(0.9)
_WARMTH = (9.0, -1.0, -9.0)  # added to red, green, blue
_SHIFT = (1.0, 1.5)  # right and down, pixels
_HEAD = ((225, 100), (88, 98))  # centre and half axes of an ellipse around head and hair, pixels
_HUE_TURN = 105  # in OpenCV's half degrees: an orange suit becomes a blue one


@cache
def genuine() -> Pixels:
    """The portrait, (512, 512, 3) RGB, read-only."""
    with Image.open(_FILE) as image:
        return _freeze(np.array(image.convert("RGB")))


@cache
def blended() -> Pixels:
    """The portrait with its face blended from an altered copy, (512, 512, 3) RGB, read-only."""
    return _freeze(_blend(_alter(), genuine(), mask=_mask()))


@cache
def companion() -> Pixels:
    """A second, genuine face: the portrait mirrored, all but the head in other hues, (512, 512, 3) RGB, read-only."""
    hsv = cv2.cvtColor(genuine(), cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(int) + _HUE_TURN) % 180
    recoloured = np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.float32)
    head = cv2.ellipse(np.zeros(hsv.shape[:2], np.float32), *_HEAD, 0, 0, 360, 1.0, -1)
    mask = np.asarray(cv2.GaussianBlur(head, (0, 0), 5), np.float32)
    return _freeze(np.ascontiguousarray(_blend(genuine().astype(np.float32), recoloured, mask=mask)[:, ::-1]))


def _alter() -> Floats:
    """A copy without the finest detail, flatter, warmer, and a little larger and lower; (512, 512, 3) RGB."""
    source = genuine()
    size = source.shape[1], source.shape[0]
    small = cv2.resize(source, (size[0] // 2, size[1] // 2), interpolation=cv2.INTER_AREA)
    smooth = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC), np.float32)
    colours = (smooth - 128) * _CONTRAST + 128 + np.array(_WARMTH, np.float32)
    x1, y1, x2, y2 = FACE
    warp = np.asarray(cv2.getRotationMatrix2D(((x1 + x2) / 2, (y1 + y2) / 2), 1.0, 1.025), np.float64)
    warp[:, 2] += np.array(_SHIFT)
    return np.asarray(cv2.warpAffine(colours, warp, size, borderMode=cv2.BORDER_REFLECT), np.float32)


def _mask() -> Floats:
    """The hull, deformed by a smooth displacement, then softened; (512, 512), 0..1."""
    shape = genuine().shape[:2]
    hull = cv2.fillPoly(np.zeros(shape, np.float32), [_HULL], 1.0)
    y, x = np.indices(shape, np.float32)
    hull = cv2.remap(hull, x + 3 * np.sin(y / 13), y + 3 * np.cos(x / 11), cv2.INTER_LINEAR)
    return np.asarray(cv2.GaussianBlur(hull, (0, 0), 3.5), np.float32)


def _blend(source: Floats, target: Floats | Pixels, *, mask: Floats) -> Pixels:
    share = mask[..., np.newaxis]
    return np.clip(source * share + target * (1 - share), 0, 255).round().astype(np.uint8)


def _freeze(pixels: Pixels) -> Pixels:
    pixels.flags.writeable = False
    return pixels
