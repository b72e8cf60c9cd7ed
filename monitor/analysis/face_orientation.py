"""Pixels -> Faces, also in pictures on their side or upside down; all positions are those of the picture as it lies.

A stream has one orientation: the quarter turns that set most of its faces upright. Faces are searched, followed and
scored in the picture turned so. The orientation changes in two ways:

- For half a second, most found faces lie in another direction, or no direction suits them.
- Nobody was found in four searches in a row. Each fifth search then looks at the picture in another quarter turn. It
  replaces a search, so an empty picture costs no more than before.

Both times a certain face must be found in the picture turned so. Still pictures are independent of each other: each
that shows nobody upright is searched in all turns. So is each picture of a slow source.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from monitor.analysis.quality import measure_roll
from monitor.faces import FaceDetector
from monitor.faces.quarter_turns import ALL_TURNS, CERTAIN, find_landmarks, turn_of, turn_pixels
from monitor.settings import Settings
from monitor.types import Faces, Floats, Hint, HintKind, Pixels, Scores, TrackedFaces

_CONFIRMATION_TIME = 0.5  # seconds of media time before the picture is turned for its faces
_SEARCHES_PER_TURN = 5  # searches without a face, of which the last one looks at another quarter turn
_CERTAIN = 0.95  # minimum probability of a face for which the picture is turned
_NEAR = 30.0  # degrees from a quarter turn within which a face counts for it
_UPRIGHT = 45.0  # degrees of roll up to which landmarks are right without ``find_landmarks``
_MAX_COUNTED = 8  # faces whose direction is measured in one detection
_HINT_TIME = 0.9  # seconds for which faces must be seen in a turned picture before a hint says so
_IN_WORDS = {1: "90 degrees clockwise", 2: "upside down", 3: "90 degrees counter-clockwise"}


class FaceOrientation:
    """The orientation of one stream, and its face detector. Not thread-safe.

    Args:
        detector: finds upright faces.
        still: the frames are independent pictures.
    """

    def __init__(self, detector: FaceDetector, settings: Settings, *, still: bool = False) -> None:
        self._detector = detector
        self._min_size = settings.quality.min_size
        self._check_interval = settings.tracker.detect_interval
        self._still = still
        self.is_slow = False  # whether the next pictures are so far apart that each one counts
        self.turns = 0  # counter-clockwise, 0 to 3: ``np.rot90(pixels, turns)`` is upright
        self.hint: Hint | None = None  # that the picture is turned
        self._turned_at = 0.0  # media time
        self._searches = 0  # in a row without a face
        self._step = 0  # from the stream's turns to those of the last search in others
        self._doubted_at: float | None = None  # media time since which faces do not seem to be upright
        self._trusted: dict[int, float] = {}  # track id -> media time until which it counts as upright

    def refine(self, pixels: Pixels, boxes: Floats) -> Faces:
        """``FaceDetector.refine``."""
        turn = turn_of(pixels, self.turns)
        return turn.inverse.turn_faces(self._detector.refine(turn_pixels(pixels, self.turns), turn.turn_boxes(boxes)))

    def due(self, media_time: float) -> bool:
        """Whether a detection should run on this frame, because faces do not seem to be upright."""
        return self._doubted_at is not None and media_time - self._doubted_at >= _CONFIRMATION_TIME

    def detect(self, pixels: Pixels, media_time: float, *, following: bool) -> Faces:
        """``FaceDetector.detect``; may change the orientation.

        Args:
            pixels: (H, W, 3) RGB.
            following: a face is being followed, so that nobody is missing.
        """
        if self._still:
            self._set_turns(0, media_time)
        self._searches = 0 if following else self._searches + 1
        thorough = self._still or self.is_slow
        if self._searches >= _SEARCHES_PER_TURN and not thorough:
            self._searches = 0
            return self._look(pixels, [self._next_turns()], media_time)
        faces = self._detect(pixels, self.turns)
        others = [turns for turns in ALL_TURNS if turns != self.turns]
        if not len(faces):
            return self._look(pixels, others, media_time) if thorough else faces
        self._searches = 0
        upright = any(media_time < until for until in self._trusted.values())
        turns = self.turns if upright else self._direction(pixels, faces, self.turns)
        if turns == self.turns:
            self._doubted_at = None
            if self.turns and media_time - self._turned_at >= _HINT_TIME:
                self._raise_hint()
            return faces
        if self._doubted_at is None or self._doubted_at > media_time:
            self._doubted_at = media_time
        if not (self._still or self.due(media_time)):
            return faces
        self._doubted_at = None
        likely = [self._next_turns()] if turns is None else [turns, self._next_turns()]
        found = self._look(pixels, others if self._still else likely, media_time)
        return found if len(found) else faces

    def set_upright(
        self, pixels: Pixels, tracked: TrackedFaces, *, rows: list[int], media_time: float
    ) -> tuple[Pixels, TrackedFaces]:
        """The picture and its faces, turned upright; the landmarks of ``rows`` are right at any roll."""
        turn, view = turn_of(pixels, self.turns), turn_pixels(pixels, self.turns)
        faces = turn.turn_faces(tracked.faces)
        ids = tracked.track_ids.tolist()
        unsure = [row for row in rows if not media_time < self._trusted.get(ids[row], -np.inf)]
        if unsure:
            found = find_landmarks(self._detector, view, faces[unsure])
            landmarks, probabilities = faces.landmarks.copy(), faces.probabilities.copy()
            landmarks[unsure], probabilities[unsure] = found.landmarks, found.probabilities
            faces = replace(faces, landmarks=landmarks, probabilities=probabilities)
            upright = (np.abs(measure_roll(landmarks)) <= _UPRIGHT) & (probabilities >= CERTAIN)
            until = media_time + self._check_interval
            self._trusted |= {ids[row]: until for row in unsure if upright[row]}
        return view, replace(tracked, faces=faces)

    def turn_back(self, scores: Scores, pixels: Pixels) -> Scores:
        """Scores in an upright view, as scores in the picture as it lies."""
        turn = turn_of(pixels, self.turns).inverse
        return replace(
            scores,
            crops=turn.turn_boxes(scores.crops),
            evidence_maps=np.ascontiguousarray(np.rot90(scores.evidence_maps, turn.turns, axes=(1, 2))),
        )

    def forget(self, track_ids: tuple[int, ...]) -> None:
        """Free the state of ended tracks."""
        for track in track_ids:
            self._trusted.pop(track, None)

    def _detect(self, pixels: Pixels, turns: int) -> Faces:
        return turn_of(pixels, turns).inverse.turn_faces(self._detector.detect(turn_pixels(pixels, turns)))

    def _look(self, pixels: Pixels, choices: Sequence[int], media_time: float) -> Faces:
        """The certain, upright faces in the first turns that show one; these become the stream's turns."""
        for turns in choices:
            faces = self._detect(pixels, turns)
            faces = faces[faces.probabilities >= _CERTAIN]
            if self._direction(pixels, faces, turns) == turns:
                self._set_turns(turns, media_time)
                return faces
        return Faces.none()

    def _next_turns(self) -> int:
        """The other turns, one after the other."""
        self._step = self._step % (len(ALL_TURNS) - 1) + 1
        return (self.turns + self._step) % len(ALL_TURNS)

    def _direction(self, pixels: Pixels, faces: Faces, found_in: int) -> int | None:
        """The turns that set most large faces upright; the current ones without a majority; None: not known."""
        turn = turn_of(pixels, found_in)
        faces = turn.turn_faces(faces)
        faces = faces[faces.boxes[:, 3] - faces.boxes[:, 1] >= self._min_size][:_MAX_COUNTED]
        if not len(faces):
            return self.turns
        faces = find_landmarks(self._detector, turn_pixels(pixels, found_in), faces)
        roll = measure_roll(faces.landmarks[faces.probabilities >= CERTAIN])
        if not len(roll):
            return None
        quarters = np.round(roll / 90).astype(int)
        turns = np.where(np.abs(roll - 90 * quarters) <= _NEAR, (found_in + quarters) % len(ALL_TURNS), self.turns)
        counts = np.bincount(turns, minlength=len(ALL_TURNS))
        return int(counts.argmax()) if 2 * counts.max() > len(roll) else self.turns

    def _set_turns(self, turns: int, media_time: float) -> None:
        if turns != self.turns:
            self._trusted = {}
        self.turns, self._turned_at, self._doubted_at, self.hint = turns, media_time, None, None
        if turns and self._still:
            self._raise_hint()

    def _raise_hint(self) -> None:
        detail = (
            f"{_IN_WORDS[self.turns]}, faces are judged upright; rotate the camera or the clip, unless people lie down"
        )
        self.hint = self.hint or Hint(HintKind.TURNED_PICTURE, self._turned_at, None, detail)
