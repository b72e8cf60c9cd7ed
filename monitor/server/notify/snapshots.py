"""Pictures of a stream for other programs: the frame with boxes and labels, as a JPEG."""

from typing import Final

import cv2
import numpy as np

from monitor.overlay import Overlay, OverlaySettings
from monitor.system import jpeg
from monitor.types import Frame, Observation

LONGEST: Final = 960  # pixels, limit of the longer side
_QUALITY: Final = 80  # JPEG
_PLAIN: Final = OverlaySettings(heat_map=False)


def snapshot(frame: Frame, observation: Observation) -> bytes:
    """The frame with its boxes and labels as a JPEG, its longer side at most 960 pixels; takes some milliseconds."""
    pixels, scale = Overlay(_PLAIN).draw(frame, observation), LONGEST / max(frame.width, frame.height)
    if scale < 1.0:
        size = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return jpeg.encode(pixels, quality=_QUALITY)
