"""The evidence map as colour: red pushes to fake, blue to real, on a fixed logit scale.

Never stretched to a frame's own minimum and maximum: an indifferent face stays nearly clear.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from monitor.overlay.bitmaps import Bitmap
from monitor.types import Floats, Observation, Pixels

FAKE_RGB = (225, 29, 40)
REAL_RGB = (20, 96, 235)
_ZERO, _SPAN = 128, 127  # table index of logit 0, and of the scale above it


@lru_cache(maxsize=8)
def _tables(opacity: float) -> tuple[Pixels, Pixels]:
    """Premultiplied colour and what stays of the picture, (256, 1, 3) each, by table index."""
    signed = np.clip((np.arange(256) - _ZERO) / _SPAN, -1.0, 1.0)[:, None, None]
    alpha = np.abs(signed) * opacity
    colour = np.where(signed > 0, FAKE_RGB, REAL_RGB) * alpha
    return colour.round().astype(np.uint8), np.repeat(255 - 255 * alpha, 3, axis=2).round().astype(np.uint8)


def colours(evidence: Floats, size: tuple[int, int], *, scale: float, opacity: float) -> Bitmap:
    """An evidence map as a translucent picture.

    Args:
        evidence: (h, w) logit units, signed.
        size: width and height of the picture, pixels; cells blend into each other (bicubic).
        scale: logits at and beyond which a cell is drawn at full ``opacity``; it falls linearly to 0.
        opacity: 0..1.
    """
    index = (_ZERO + _SPAN * np.clip(evidence / scale, -1.0, 1.0)).round().astype(np.uint8)
    smooth = cv2.resize(index, size, interpolation=cv2.INTER_CUBIC)
    smooth = cv2.merge([smooth, smooth, smooth])
    colour, keep = _tables(opacity)
    return Bitmap(np.asarray(cv2.LUT(smooth, colour), np.uint8), np.asarray(cv2.LUT(smooth, keep), np.uint8))


@dataclass(frozen=True, slots=True, eq=False)
class _HeldMap:
    evidence: Floats  # (h, w)
    crop: Floats  # (4,) the square that was scored, pixels
    box: Floats  # (4,) the face's box in that frame
    media_time: float

    def square(self, box: Floats) -> Floats:
        """The crop, moved and resized as the face's box was since."""
        then, now = (self.box[:2] + self.box[2:]) / 2, (box[:2] + box[2:]) / 2
        growth = (box[3] - box[1]) / max(float(self.box[3] - self.box[1]), 1.0)
        return np.concatenate([now + (corner - then) * growth for corner in (self.crop[:2], self.crop[2:])])


class EvidenceMemory:
    """The last evidence map of each track, for at most ``hold`` seconds of media time."""

    def __init__(self, hold: float) -> None:
        self._hold = hold
        self._kept: dict[int, _HeldMap] = {}

    def update(self, observation: Observation) -> None:
        """Keep the maps of this frame's scores; drop those of ended tracks and those that are too old."""
        scores, tracked, now = observation.scores, observation.tracked, observation.media_time
        boxes = dict(zip(tracked.track_ids.tolist(), tracked.faces.boxes, strict=True))
        for track, evidence, crop in zip(scores.track_ids.tolist(), scores.evidence_maps, scores.crops, strict=True):
            if track in boxes:
                self._kept[track] = _HeldMap(evidence, crop, boxes[track], now)
        ended = {summary.track_id for summary in observation.ended_tracks}
        self._kept = {
            track: kept
            for track, kept in self._kept.items()
            if track not in ended and 0.0 <= now - kept.media_time <= self._hold
        }

    def of(self, track: int, box: Floats) -> tuple[Floats, Floats] | None:
        """Evidence map (h, w) and the square (4,) where it belongs for a face at ``box`` now; None without one."""
        kept = self._kept.get(track)
        return None if kept is None else (kept.evidence, kept.square(box))
