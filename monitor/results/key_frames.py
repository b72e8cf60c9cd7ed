"""The moments of an analysed file that spoke most for manipulation, each face with its heat-map."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from monitor.overlay import OverlaySettings
from monitor.overlay.heat import colours
from monitor.system import jpeg
from monitor.system.files import write_whole
from monitor.types import Floats, Frame, Observation, Pixels

LIST_FILE: Final = "key-frames.json"
_EACH: Final = 4  # of one face
_FACES: Final = 12
_APART: Final = 1.0  # seconds of media time between two of one face
_AROUND: Final = 0.25  # of the judged square, on each side
_SIDE: Final = 240  # pixels
_QUALITY: Final = 85  # JPEG
_LOOK: Final = OverlaySettings()


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """One moment of one face."""

    track_id: int
    frame_index: int
    media_time: float  # seconds
    strength: float  # calibrated log-odds of this sample times its weight: > 0 leans to fake
    file: str = ""
    jpeg: bytes = field(default=b"", repr=False)


class KeyFrameRecorder:
    """A sink that keeps, of each face, the samples that lean most to fake; at least a second apart.

    Memory is bounded however many faces come by: those go that never leaned as far as others.
    """

    def __init__(self) -> None:
        self._kept: dict[int, list[KeyFrame]] = {}

    def __call__(self, frame: Frame, observation: Observation) -> None:
        """Take in one frame. Runs on the analysis thread."""
        scores = observation.scores
        columns = (scores.track_ids.tolist(), scores.log_odds.tolist(), scores.weights.tolist())
        for row, (track, log_odds, weight) in enumerate(zip(*columns, strict=True)):
            moment = KeyFrame(track, observation.frame_index, observation.media_time, log_odds * weight)
            others = self._outdone(moment)
            if others is not None:
                picture = _drawn(frame.pixels, scores.crops[row], scores.evidence_maps[row])
                self._keep(others, replace(moment, jpeg=picture))

    @property
    def found(self) -> Sequence[KeyFrame]:
        """Face by face, the strongest face first; of one face in order of time.

        Of a face that never leaned to fake there is one.
        """
        faces = sorted(self._kept.values(), key=_most, reverse=True)
        wanted = [[one for one in face if one.strength > 0] or [max(face, key=_strength)] for face in faces]
        return [moment for face in wanted for moment in sorted(face, key=lambda one: one.media_time)]

    def write(self, folder: Path) -> None:
        """Keep them as JPEGs, with a list of what they are.

        Raises:
            OutputError: the disk is full or gone.
        """
        listed = []
        for number, moment in enumerate(self.found):
            name = f"key-frame-{number}.jpg"
            write_whole(folder / name, moment.jpeg)
            facts = asdict(moment) | {"file": name, "media_time": round(moment.media_time, 3)}
            del facts["jpeg"]
            listed.append(facts)
        write_whole(folder / LIST_FILE, json.dumps(listed, indent=1))

    def _outdone(self, moment: KeyFrame) -> list[KeyFrame] | None:
        """Those of the same face that stay beside a moment; None if the moment does not count."""
        kept = self._kept.get(moment.track_id, [])
        if not kept and len(self._kept) == _FACES and moment.strength <= min(map(_most, self._kept.values())):
            return None
        near = [one for one in kept if abs(one.media_time - moment.media_time) < _APART]
        if any(one.strength >= moment.strength for one in near):
            return None
        others = [one for one in kept if one not in near]
        if len(others) == _EACH:
            weakest = min(others, key=_strength)
            if weakest.strength >= moment.strength:
                return None
            others.remove(weakest)
        return others

    def _keep(self, others: list[KeyFrame], moment: KeyFrame) -> None:
        self._kept[moment.track_id] = [*others, moment]
        if len(self._kept) > _FACES:
            del self._kept[min(self._kept, key=lambda track: _most(self._kept[track]))]


def key_frames(folder: Path) -> Sequence[KeyFrame]:
    """Those that were written there, without their pictures; none if none were."""
    try:
        return [KeyFrame(**facts) for facts in json.loads((folder / LIST_FILE).read_bytes())]
    except (OSError, ValueError, TypeError):
        return []


def _strength(moment: KeyFrame) -> float:
    return moment.strength


def _most(face: Sequence[KeyFrame]) -> float:
    return max(map(_strength, face))


def _drawn(pixels: Pixels, square: Floats, evidence: Floats) -> bytes:
    """The judged square under its evidence map, with some of what is around it, as JPEG.

    Args:
        pixels: (H, W, 3) RGB.
        square: (4,) x1, y1, x2, y2; may reach beyond the picture.
        evidence: (h, w) log-odds.
    """
    x1, y1, x2, y2 = (round(edge) for edge in square.tolist())
    margin = round(_AROUND * (x2 - x1))
    left, top = max(0, x1 - margin), max(0, y1 - margin)
    face = pixels[top : max(top + 1, y2 + margin), left : max(left + 1, x2 + margin)].copy()
    if x2 > x1 and y2 > y1:
        heat = colours(evidence, (x2 - x1, y2 - y1), scale=_LOOK.scale, opacity=_LOOK.opacity)
        heat.paste(face, (x1 - left, y1 - top))
    scale = _SIDE / max(face.shape[:2])
    size = max(1, round(face.shape[1] * scale)), max(1, round(face.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return jpeg.encode(np.asarray(cv2.resize(face, size, interpolation=how), np.uint8), quality=_QUALITY)
