"""Key frames: the samples of each face with the strongest evidence of manipulation, with their heat maps."""

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
_MAX_PER_FACE: Final = 4
_MAX_FACES: Final = 12
_MIN_DISTANCE: Final = 1.0  # seconds of media time between two key frames of one face
_MARGIN: Final = 0.25  # fraction of the crop, on each side
_SIDE: Final = 240  # pixels, longer side
_QUALITY: Final = 85  # JPEG
_LOOK: Final = OverlaySettings()


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """One scored sample of one face."""

    track_id: int
    frame_index: int
    media_time: float  # seconds
    strength: float  # calibrated log-odds of this sample times its weight; > 0: evidence of manipulation
    size: float | None = None  # height of the face, pixels; None: unknown, as in files of earlier versions
    sharpness: float | None = None  # see monitor.analysis.quality
    brightness: float | None = None  # 0..255, mean luma of the face
    file: str = ""
    plain_file: str = ""  # the same picture without its heat map; "" in files of earlier versions
    jpeg: bytes = field(default=b"", repr=False)
    plain_jpeg: bytes = field(default=b"", repr=False)

    @property
    def clear_file(self) -> str:
        """The picture without its heat map, or with it if there is no other."""
        return self.plain_file or self.file


class KeyFrameRecorder:
    """A sink that keeps the strongest samples of each face, at least a second apart.

    Memory is bounded: beyond 12 faces, the face with the weakest samples is dropped.
    """

    def __init__(self) -> None:
        self._faces: dict[int, list[KeyFrame]] = {}

    def __call__(self, frame: Frame, observation: Observation) -> None:
        """Add the samples of one frame. Runs on the analysis thread."""
        scores, measured = observation.scores, _measures(observation)
        columns = (scores.track_ids.tolist(), scores.log_odds.tolist(), scores.weights.tolist())
        for row, (track, log_odds, weight) in enumerate(zip(*columns, strict=True)):
            strength = log_odds * weight
            moment = KeyFrame(
                track, observation.frame_index, observation.media_time, strength, *measured.get(track, ())
            )
            others = self._others(moment)
            if others is not None:
                crop = scores.crops[row]
                picture, plain = _draw(frame.pixels, crop, scores.evidence_maps[row]), _draw(frame.pixels, crop, None)
                self._keep(others, replace(moment, jpeg=picture, plain_jpeg=plain))

    @property
    def found(self) -> Sequence[KeyFrame]:
        """The key frames of all faces: the strongest face first, each face in order of time.

        A face without evidence of manipulation has one key frame.
        """
        faces = sorted(self._faces.values(), key=_max_strength, reverse=True)
        chosen = [[moment for moment in face if moment.strength > 0] or [max(face, key=_strength)] for face in faces]
        return [moment for face in chosen for moment in sorted(face, key=lambda moment: moment.media_time)]

    def write(self, folder: Path) -> None:
        """Write the key frames as JPEG files, and a list of them as JSON.

        Raises:
            OutputError: the disk is full or unavailable.
        """
        records = []
        for number, moment in enumerate(self.found):
            name, plain = f"key-frame-{number}.jpg", f"key-frame-{number}-plain.jpg"
            write_whole(folder / name, moment.jpeg)
            write_whole(folder / plain, moment.plain_jpeg)
            record = asdict(moment) | {"file": name, "plain_file": plain, "media_time": round(moment.media_time, 3)}
            del record["jpeg"], record["plain_jpeg"]
            records.append(record)
        write_whole(folder / LIST_FILE, json.dumps(records, indent=1))

    def _others(self, moment: KeyFrame) -> list[KeyFrame] | None:
        """The key frames of the same face to keep beside a new moment; None if the moment is too weak."""
        previous = self._faces.get(moment.track_id, [])
        is_full = len(self._faces) == _MAX_FACES
        if not previous and is_full and moment.strength <= min(map(_max_strength, self._faces.values())):
            return None
        near = [other for other in previous if abs(other.media_time - moment.media_time) < _MIN_DISTANCE]
        if any(other.strength >= moment.strength for other in near):
            return None
        others = [other for other in previous if other not in near]
        if len(others) == _MAX_PER_FACE:
            weakest = min(others, key=_strength)
            if weakest.strength >= moment.strength:
                return None
            others.remove(weakest)
        return others

    def _keep(self, others: list[KeyFrame], moment: KeyFrame) -> None:
        self._faces[moment.track_id] = [*others, moment]
        if len(self._faces) > _MAX_FACES:
            del self._faces[min(self._faces, key=lambda track: _max_strength(self._faces[track]))]


def key_frames(folder: Path) -> Sequence[KeyFrame]:
    """Read the key frames in a folder, without their pictures; empty if there are none."""
    try:
        return [KeyFrame(**record) for record in json.loads((folder / LIST_FILE).read_bytes())]
    except (OSError, ValueError, TypeError):
        return []


def _measures(observation: Observation) -> dict[int, tuple[float, float, float]]:
    """Size, sharpness and brightness of each face in a frame, by track; empty in a frame without measurements."""
    qualities = observation.qualities
    if len(qualities) != len(observation.tracked):
        return {}
    columns = (qualities.size.tolist(), qualities.sharpness.tolist(), qualities.brightness.tolist())
    rows = zip(observation.tracked.track_ids.tolist(), *columns, strict=True)
    return {track: (round(size, 1), round(sharp, 1), round(bright, 1)) for track, size, sharp, bright in rows}


def strongest(moments: Sequence[KeyFrame], track_id: int) -> KeyFrame | None:
    """The key frame of a face with the strongest evidence of manipulation; None without a key frame."""
    return max((moment for moment in moments if moment.track_id == track_id), key=_strength, default=None)


def _strength(moment: KeyFrame) -> float:
    return moment.strength


def _max_strength(face: Sequence[KeyFrame]) -> float:
    return max(map(_strength, face))


def _draw(pixels: Pixels, square: Floats, evidence: Floats | None) -> bytes:
    """Draw the crop with its heat map and a margin, as JPEG.

    Args:
        pixels: (H, W, 3) RGB.
        square: (4,) x1, y1, x2, y2 of the crop; may reach beyond the picture.
        evidence: (h, w) log-odds; None: no heat map.
    """
    x1, y1, x2, y2 = (round(edge) for edge in square.tolist())
    margin = round(_MARGIN * (x2 - x1))
    left, top = max(0, x1 - margin), max(0, y1 - margin)
    face = pixels[top : max(top + 1, y2 + margin), left : max(left + 1, x2 + margin)].copy()
    if evidence is not None and x2 > x1 and y2 > y1:
        heat = colours(evidence, (x2 - x1, y2 - y1), scale=_LOOK.scale, opacity=_LOOK.opacity)
        heat.paste(face, (x1 - left, y1 - top))
    scale = _SIDE / max(face.shape[:2])
    size = max(1, round(face.shape[1] * scale)), max(1, round(face.shape[0] * scale))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return jpeg.encode(np.asarray(cv2.resize(face, size, interpolation=interpolation), np.uint8), quality=_QUALITY)
