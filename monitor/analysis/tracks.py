"""Faces -> TrackedFaces: identity over time, on media time, without looking at a pixel.

A track is *followed* while O-Net keeps finding a face on its last box, *remembered* for a moment after
it was lost (somebody walked past), then ended. Between full detections nothing but O-Net runs. On each
frame the owner of the pixels does::

    tracked = tracker.follow(detector.refine(pixels, tracker.expected(media_time)), media_time)
    if tracker.due(media_time):
        tracked = tracker.associate(detector.detect(pixels), media_time)

A track counts, and gets its id, once it was seen in ``min_hits`` frames; ids rise and are never reused.
The same faces at the same times give the same ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from monitor.types import Faces, Floats, TrackedFaces

if TYPE_CHECKING:
    from monitor.settings import TrackerSettings

_SAME_FACE = 0.5  # overlap beyond which two boxes show one face
_UNCONFIRMED = 2.5  # beats of full detection that a followed face may be missing from
_VELOCITY_TIME = 0.2  # seconds over which a track's velocity is smoothed
_COASTING_TIME = 0.5  # seconds for which an unseen face is expected to move on
_ALARMS = 5  # losses in a row that are answered by a full detection at once
_REACH = 2.0  # a remembered face is looked for in its box, grown by this factor
_TICK = 1e-6  # seconds: less is rounding


class Tracker:
    """The tracks of one stream. Not thread-safe; memory is bounded by the faces in sight."""

    def __init__(self, settings: TrackerSettings) -> None:
        self._settings = settings
        self._followed: list[_FaceTrack] = []  # oldest first, as are the rows of all that is returned
        self._remembered: list[_FaceTrack] = []
        self._ended: list[int] = []
        self._last_id = 0
        self._now: float | None = None
        self._detected_at: float | None = None
        self._alarm = False  # a face was lost since then
        self._alarms_until = -np.inf  # leaky bucket: each detection that a loss called for adds search_interval
        self._was_cut = False

    def expected(self, media_time: float) -> Floats:
        """(N, 4) where the followed faces should be in the next frame, had each moved on as it did."""
        return _boxes([track.expected(media_time) for track in self._followed])

    @property
    def ended(self) -> tuple[int, ...]:
        """Ids that ended with the current frame: since its ``follow`` began, or by a ``cut`` just before."""
        return tuple(self._ended)

    def cut(self, media_time: float) -> None:
        """The scene changed: nobody in the next frame is known. Call it before that frame's ``follow``."""
        self._ended = []
        self._forget_all()
        self._now, self._was_cut = media_time, True

    def follow(self, refined: Faces, media_time: float) -> TrackedFaces:
        """A new frame: where the followed faces went.

        A face that O-Net doubts is lost. Of two tracks that slid onto one face, the one that moved
        less as expected is lost. If media time leaps by more than ``max_age``, forth or back, all
        tracks end: nobody can say who came and went.

        Args:
            refined: a row per row of ``expected(media_time)``.
            media_time: seconds; small steps back are borne.
        """
        if len(refined) != len(self._followed):
            raise ValueError(f"{len(self._followed)} tracks are followed, got {len(refined)} refined faces")
        if not self._was_cut:
            self._ended = []
        self._was_cut = False
        if self._now is not None and abs(media_time - self._now) > self._settings.max_age:
            self._forget_all()
        self._now = media_time

        found = [(track, refined[[row]]) for row, track in enumerate(self._followed)]
        sure = [(track, face) for track, face in found if face.probabilities[0] >= self._settings.keep_probability]
        kept = _without_duplicates(sure, media_time)
        self._lose([track for track in self._followed if track not in kept])
        for track, face in sure:
            if track in kept:
                track.see(face, media_time)
                track.hits += 1
        self._expire(media_time)
        return self._counted()

    def due(self, media_time: float, *, rest: float = 0.0) -> bool:
        """Whether a full detection should run on this frame.

        Every ``detect_interval`` seconds; every ``search_interval`` while nobody is followed or somebody is
        remembered; at once on a cut, and on a loss: a few times in a row, then every ``search_interval``, so
        that a face that is lost and found again with each frame does not turn into a detection per frame.

        Args:
            media_time: of the frame.
            rest: seconds of media time between two detections while nobody is followed or remembered, at least.
        """
        if self._detected_at is None:
            return True
        settings = self._settings
        if self._alarm and self._alarms_until - media_time < (_ALARMS - 1) * settings.search_interval + _TICK:
            return True
        if self._remembered:
            every = settings.search_interval
        else:
            every = settings.detect_interval if self._followed else max(settings.search_interval, rest)
        return media_time - self._detected_at > every - _TICK

    def associate(self, detected: Faces, media_time: float) -> TrackedFaces:
        """What a full detection found in the frame that was last followed.

        Detections are joined greedily, best overlap first: to the followed tracks, then to the remembered
        ones, which may be a face's width from where they should be; the rest begin new tracks. A track
        that went unconfirmed too long is lost: O-Net alone can settle on something that is no face.
        """
        if self._alarm:
            self._alarms_until = max(self._alarms_until, media_time) + self._settings.search_interval
        at_least = self._settings.iou_threshold

        shared = overlaps(_boxes([track.box for track in self._followed]), detected.boxes)
        pairs = greedy(shared, at_least=at_least)
        for row, column in pairs.items():
            track = self._followed[row]
            track.confirmed = media_time
            if shared[row, column] < _SAME_FACE:
                track.see(detected[[column]], media_time)
        new = shared.max(axis=0, initial=0) <= _SAME_FACE
        new[list(pairs.values())] = False

        others, remembered = detected[new], self._remembered
        expected = _boxes([track.expected(media_time) for track in remembered])
        found = greedy(overlaps(_grown(expected), _grown(others.boxes)), at_least=at_least)
        for row, column in found.items():
            remembered[row].find(others[[column]], media_time)
        begun = [_FaceTrack(others[[row]], media_time) for row in range(len(others)) if row not in found.values()]

        patience = _UNCONFIRMED * self._settings.detect_interval
        self._lose([track for track in self._followed if media_time - track.confirmed > patience])
        self._followed += [remembered[row] for row in sorted(found)] + begun
        self._remembered = [track for track in self._remembered if track not in self._followed]
        self._detected_at, self._alarm = media_time, False
        return self._counted()

    def _counted(self) -> TrackedFaces:
        """The followed tracks that count; those that do so for the first time get their ids."""
        counted = [track for track in self._followed if track.hits >= self._settings.min_hits]
        for track in counted:
            if not track.id:
                self._last_id += 1
                track.id = self._last_id
        if not counted:
            return TrackedFaces.none()
        faces = Faces(
            boxes=np.concatenate([track.face.boxes for track in counted]),
            probabilities=np.concatenate([track.face.probabilities for track in counted]),
            landmarks=np.concatenate([track.face.landmarks for track in counted]),
        )
        return TrackedFaces(faces=faces, track_ids=np.array([track.id for track in counted], np.int64))

    def _lose(self, tracks: Sequence[_FaceTrack]) -> None:
        """Stop following them, but look out for them."""
        self._followed = [track for track in self._followed if track not in tracks]
        self._remembered += tracks
        self._alarm = self._alarm or bool(tracks)

    def _expire(self, media_time: float) -> None:
        """End the tracks that were remembered long enough; who does not count is soon forgotten."""
        settings = self._settings
        expired = [
            track
            for track in self._remembered
            if media_time - track.seen > (settings.max_age if track.id else settings.search_interval)
        ]
        self._remembered = [track for track in self._remembered if track not in expired]
        self._end(expired)

    def _end(self, tracks: Sequence[_FaceTrack]) -> None:
        self._ended += [track.id for track in tracks if track.id]

    def _forget_all(self) -> None:
        self._end(self._followed + self._remembered)
        self._followed, self._remembered = [], []
        self._detected_at, self._alarm, self._alarms_until = None, False, -np.inf


class _FaceTrack:
    """One face over time; compared by identity."""

    def __init__(self, face: Faces, media_time: float) -> None:
        self.face = face  # one row
        self.seen = media_time
        self.velocity = np.zeros(2, np.float32)  # of the centre, pixels per second
        self.hits = 1  # frames it was seen in
        self.confirmed = media_time  # when a full detection last found it
        self.id = 0  # until it counts

    @property
    def box(self) -> Floats:
        return np.asarray(self.face.boxes[0], np.float32)

    def find(self, face: Faces, media_time: float) -> None:
        """A full detection found it, after it was lost."""
        self.see(face, media_time)
        self.confirmed = media_time
        self.hits += 1

    def see(self, face: Faces, media_time: float) -> None:
        """It is there now."""
        elapsed = media_time - self.seen
        if elapsed > _TICK:
            velocity = (_centre(face.boxes[0]) - _centre(self.box)) / np.float32(elapsed)
            self.velocity += (velocity - self.velocity) * np.float32(1 - np.exp(-elapsed / _VELOCITY_TIME))
        self.face, self.seen = face, media_time

    def expected(self, media_time: float) -> Floats:
        """(4,) its box, had it moved on as it did."""
        elapsed = min(max(media_time - self.seen, 0.0), _COASTING_TIME)
        return np.asarray(self.box + np.tile(self.velocity, 2) * np.float32(elapsed), np.float32)

    def surprise(self, face: Faces, media_time: float) -> float:
        """How far that face is from where this one should be, in faces."""
        expected = self.expected(media_time)
        return float(np.abs(_centre(face.boxes[0]) - _centre(expected)).max() / max(1.0, expected[3] - expected[1]))


def _without_duplicates(found: Sequence[tuple[_FaceTrack, Faces]], media_time: float) -> list[_FaceTrack]:
    """The tracks, less those that share a face with one that counts or whose move is less of a surprise."""
    ranked = sorted(found, key=lambda pair: (not pair[0].id, pair[0].surprise(pair[1], media_time)))
    kept: list[_FaceTrack] = []
    boxes: list[Floats] = []
    for track, face in ranked:
        if not boxes or overlaps(np.stack(boxes), face.boxes).max() <= _SAME_FACE:
            kept.append(track)
            boxes.append(face.boxes[0])
    return kept


def greedy(overlaps: Floats, *, at_least: float) -> dict[int, int]:
    """Row -> column, best pairs first, each row and column once."""
    pairs: dict[int, int] = {}
    for flat in np.argsort(-overlaps, axis=None, kind="stable").tolist():
        row, column = divmod(flat, overlaps.shape[1])
        if overlaps[row, column] < at_least:
            break
        if row not in pairs and column not in pairs.values():
            pairs[row] = column
    return pairs


def _boxes(boxes: Sequence[Floats]) -> Floats:
    """(N, 4) from N boxes (4,)."""
    return np.asarray(boxes, np.float32).reshape(-1, 4)


def _centre(box: Floats) -> Floats:
    return np.asarray((box[:2] + box[2:]) / 2, np.float32)


def _grown(boxes: Floats) -> Floats:
    """(N, 4) the boxes, larger around their centres."""
    margins = (boxes[:, 2:] - boxes[:, :2]) * np.float32((_REACH - 1) / 2)
    return np.asarray(np.concatenate((boxes[:, :2] - margins, boxes[:, 2:] + margins), axis=1), np.float32)


def overlaps(some: Floats, others: Floats) -> Floats:
    """(N, M) intersection over union of boxes (N, 4) and (M, 4)."""
    spans = np.minimum(some[:, None, 2:], others[:, 2:]) - np.maximum(some[:, None, :2], others[:, :2])
    shared = np.maximum(spans, 0).prod(axis=2)
    areas, other_areas = ((b[:, 2:] - b[:, :2]).clip(0).prod(axis=1) for b in (some, others))
    return np.asarray(shared / np.maximum(areas[:, None] + other_areas - shared, _TICK), np.float32)
