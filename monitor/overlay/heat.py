"""Evidence maps as colours: red for fake, blue for real, on a fixed logit scale.

The scale never adapts to a frame's own minimum and maximum, so weak evidence stays nearly transparent.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from monitor.overlay.bitmaps import Bitmap
from monitor.types import Floats, Observation, Pixels

FAKE_RGB = (225, 29, 40)
REAL_RGB = (20, 96, 235)
_ZERO, _SPAN = 128, 127  # table index of logit 0; number of steps up to the scale


@lru_cache(maxsize=8)
def _tables(opacity: float) -> tuple[Pixels, Pixels]:
    """Premultiplied colour and remaining background, (256, 1, 3) each, by table index."""
    signed = np.clip((np.arange(256) - _ZERO) / _SPAN, -1.0, 1.0)[:, None, None]
    alpha = np.abs(signed) * opacity
    colour = np.where(signed > 0, FAKE_RGB, REAL_RGB) * alpha
    return colour.round().astype(np.uint8), np.repeat(255 - 255 * alpha, 3, axis=2).round().astype(np.uint8)


def colours(evidence: Floats, size: tuple[int, int], *, scale: float, opacity: float) -> Bitmap:
    """Draw an evidence map as a translucent picture.

    Args:
        evidence: (h, w) logit units, signed.
        size: width and height of the picture, pixels; cells are interpolated (bicubic).
        scale: logits at which a cell reaches the full ``opacity``; linear below.
        opacity: 0..1.
    """
    index = (_ZERO + _SPAN * np.clip(evidence / scale, -1.0, 1.0)).round().astype(np.uint8)
    smooth = cv2.resize(index, size, interpolation=cv2.INTER_CUBIC)
    smooth = cv2.merge([smooth, smooth, smooth])
    colour, keep = _tables(opacity)
    return Bitmap(np.asarray(cv2.LUT(smooth, colour), np.uint8), np.asarray(cv2.LUT(smooth, keep), np.uint8))


@dataclass(frozen=True, slots=True, eq=False)
class _StoredMap:
    evidence: Floats  # (h, w)
    crop: Floats  # (4,) the scored square, pixels
    box: Floats  # (4,) the face's box in that frame
    media_time: float

    def square(self, box: Floats) -> Floats:
        """The scored square, moved and scaled like the face's box since then."""
        then, now = (self.box[:2] + self.box[2:]) / 2, (box[:2] + box[2:]) / 2
        growth = (box[3] - box[1]) / max(float(self.box[3] - self.box[1]), 1.0)
        return np.concatenate([now + (corner - then) * growth for corner in (self.crop[:2], self.crop[2:])])


class EvidenceMemory:
    """The last evidence map of each track, for at most ``hold`` seconds of media time."""

    def __init__(self, hold: float) -> None:
        self._hold = hold
        self._maps: dict[int, _StoredMap] = {}

    def update(self, observation: Observation) -> None:
        """Store the maps of this frame's scores; drop maps of ended tracks and old maps."""
        scores, tracked, now = observation.scores, observation.tracked, observation.media_time
        boxes = dict(zip(tracked.track_ids.tolist(), tracked.faces.boxes, strict=True))
        for track, evidence, crop in zip(scores.track_ids.tolist(), scores.evidence_maps, scores.crops, strict=True):
            if track in boxes:
                self._maps[track] = _StoredMap(evidence, crop, boxes[track], now)
        ended = {summary.track_id for summary in observation.ended_tracks}
        self._maps = {
            track: stored
            for track, stored in self._maps.items()
            if track not in ended and 0.0 <= now - stored.media_time <= self._hold
        }

    def of(self, track: int, box: Floats) -> tuple[Floats, Floats] | None:
        """Evidence map (h, w) and its square (4,) for a face now at ``box``; None without a map."""
        stored = self._maps.get(track)
        return None if stored is None else (stored.evidence, stored.square(box))
