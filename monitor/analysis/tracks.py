"""Faces -> TrackedFaces: identity over time, from boxes and media time only.

A track is *active* while O-Net keeps finding a face on its last box, *lost* for a short time after the face
disappeared (for example behind a passer-by), then ended. Between full detections only O-Net runs. For each frame, the
caller runs::

    tracked = tracker.follow(detector.refine(pixels, tracker.expected(media_time)), media_time)
    if tracker.due(media_time):
        tracked = tracker.associate(detector.detect(pixels), media_time)

A track is confirmed, and gets its id, after ``min_hits`` frames with its face; ids increase and are never reused.
The same faces at the same times give the same ids.
"""

from collections.abc import Sequence

import numpy as np

from monitor.settings import TrackerSettings
from monitor.types import Faces, Floats, TrackedFaces

_SAME_FACE = 0.5  # IoU above which two boxes show the same face
_MISSED_DETECTIONS = 2.5  # number of full detections that may miss an active track, as a time
_MIN_MISSED = 2  # number of full detections that must have missed it, however far apart they are
_VELOCITY_TIME = 0.2  # smoothing time of a track's velocity, seconds
_COASTING_TIME = 0.5  # seconds for which an unseen face is extrapolated
_MAX_LOSSES = 5  # losses in a row that trigger an immediate full detection
_SEARCH_GROWTH = 2.0  # growth factor of a lost face's box for the search
_TICK = 1e-6  # seconds; tolerance for rounding


class Tracker:
    """The tracks of one stream. Not thread-safe; memory is bounded by the number of visible faces.

    Args:
        settings: may be replaced between two frames, see ``monitor.analysis.cadence``.
    """

    def __init__(self, settings: TrackerSettings) -> None:
        self.settings = settings
        self._active: list[_FaceTrack] = []  # oldest first, like the rows of all results
        self._lost: list[_FaceTrack] = []
        self._ended: list[int] = []
        self._last_id = 0
        self._now: float | None = None
        self._gap = 0.0  # seconds between the last two frames
        self._detected_at: float | None = None
        self._face_lost = False  # a face was lost since the last detection
        self._losses_until = -np.inf  # leaky bucket: each detection triggered by a loss adds search_interval
        self._was_cut = False

    def expected(self, media_time: float) -> Floats:
        """(N, 4) extrapolated boxes of the active tracks in the next frame."""
        return _boxes([track.expected(media_time) for track in self._active])

    @property
    def ended(self) -> tuple[int, ...]:
        """Ids that ended with the current frame, or by a ``cut`` directly before it."""
        return tuple(self._ended)

    def cut(self, media_time: float) -> None:
        """End all tracks because the scene changed. Call it before the next frame's ``follow``."""
        self._ended = []
        self._end_all()
        self._now, self._was_cut = media_time, True

    def follow(self, refined: Faces, media_time: float) -> TrackedFaces:
        """Update the active tracks with the refined boxes of a new frame.

        A face with a low O-Net probability is lost. If two tracks converge on one face, the track with the larger
        deviation from its extrapolated box is lost. If media time jumps by more than ``max_age`` in either direction,
        all tracks end, because identities are unknown after the gap.

        Args:
            refined: one row per row of ``expected(media_time)``.
            media_time: seconds; small steps back are accepted.
        """
        if len(refined) != len(self._active):
            raise ValueError(f"{len(self._active)} tracks are active, got {len(refined)} refined faces")
        if not self._was_cut:
            self._ended = []
        self._was_cut = False
        if self._now is not None and abs(media_time - self._now) > self.settings.max_age:
            self._end_all()
        self._gap = 0.0 if self._now is None else media_time - self._now
        self._now = media_time

        found = [(track, refined[[row]]) for row, track in enumerate(self._active)]
        sure = [(track, face) for track, face in found if face.probabilities[0] >= self.settings.keep_probability]
        unique = _drop_duplicates(sure, media_time)
        self._lose([track for track in self._active if track not in unique])
        for track, face in sure:
            if track in unique:
                track.see(face, media_time)
                track.hits += 1
        self._expire(media_time)
        return self._confirmed_tracks()

    def due(self, media_time: float, *, min_search_interval: float = 0.0) -> bool:
        """Whether a full detection should run on this frame.

        Detections run every ``detect_interval`` seconds; every ``search_interval`` while no track is active or a track
        is lost; and immediately after a cut or a loss. Repeated losses trigger only a few immediate detections, then
        one every ``search_interval``, so that an unstable face does not cause a detection per frame.

        Args:
            min_search_interval: minimum seconds of media time between two detections while no track is active or lost.
        """
        if self._detected_at is None:
            return True
        settings = self.settings
        if self._face_lost and self._losses_until - media_time < (_MAX_LOSSES - 1) * settings.search_interval + _TICK:
            return True
        if self._lost:
            every = settings.search_interval
        else:
            every = settings.detect_interval if self._active else max(settings.search_interval, min_search_interval)
        return media_time - self._detected_at > every - _TICK

    def associate(self, detected: Faces, media_time: float) -> TrackedFaces:
        """Match the faces of a full detection with the tracks; call it after ``follow`` for the same frame.

        Matching is greedy, best overlap first: active tracks, then lost ones, which may be a face's width away from
        their extrapolated box; other detections start new tracks. An active track that full detections missed for too
        long is lost, because O-Net alone can converge on something other than a face. After a longer gap between two
        frames the last box says little, and the detected faces count.
        """
        if self._face_lost:
            self._losses_until = max(self._losses_until, media_time) + self.settings.search_interval
        at_least = self.settings.iou_threshold

        shared = overlaps(_boxes([track.box for track in self._active]), detected.boxes)
        pairs = greedy(shared, at_least=at_least)
        for track in self._active:
            track.missed += 1
        for row, column in pairs.items():
            track = self._active[row]
            track.confirm(media_time)
            if shared[row, column] < _SAME_FACE or self._gap > _COASTING_TIME:
                track.see(detected[[column]], media_time)
        new = shared.max(axis=0, initial=0) <= _SAME_FACE
        new[list(pairs.values())] = False

        others, lost = detected[new], self._lost
        expected = _boxes([track.expected(media_time) for track in lost])
        found = greedy(overlaps(_enlarge(expected), _enlarge(others.boxes)), at_least=at_least)
        for row, column in found.items():
            lost[row].find(others[[column]], media_time)
        started = [_FaceTrack(others[[row]], media_time) for row in range(len(others)) if row not in found.values()]

        timeout = _MISSED_DETECTIONS * self.settings.detect_interval
        overdue = [track for track in self._active if media_time - track.confirmed_at > timeout]
        self._lose([track for track in overdue if track.missed >= _MIN_MISSED])
        self._active += [lost[row] for row in sorted(found)] + started
        self._lost = [track for track in self._lost if track not in self._active]
        self._detected_at, self._face_lost = media_time, False
        return self._confirmed_tracks()

    def _confirmed_tracks(self) -> TrackedFaces:
        """The confirmed active tracks; newly confirmed tracks get their ids."""
        confirmed = [track for track in self._active if track.hits >= self.settings.min_hits]
        for track in confirmed:
            if not track.id:
                self._last_id += 1
                track.id = self._last_id
        if not confirmed:
            return TrackedFaces.none()
        faces = Faces(
            boxes=np.concatenate([track.face.boxes for track in confirmed]),
            probabilities=np.concatenate([track.face.probabilities for track in confirmed]),
            landmarks=np.concatenate([track.face.landmarks for track in confirmed]),
        )
        return TrackedFaces(faces=faces, track_ids=np.array([track.id for track in confirmed], np.int64))

    def _lose(self, tracks: "Sequence[_FaceTrack]") -> None:
        """Mark active tracks as lost."""
        self._active = [track for track in self._active if track not in tracks]
        self._lost += tracks
        self._face_lost = self._face_lost or bool(tracks)

    def _expire(self, media_time: float) -> None:
        """End the tracks that have been lost for too long; unconfirmed tracks end sooner."""
        settings = self.settings
        expired = [
            track
            for track in self._lost
            if media_time - track.seen > (settings.max_age if track.id else settings.search_interval)
        ]
        self._lost = [track for track in self._lost if track not in expired]
        self._end(expired)

    def _end(self, tracks: "Sequence[_FaceTrack]") -> None:
        self._ended += [track.id for track in tracks if track.id]

    def _end_all(self) -> None:
        self._end(self._active + self._lost)
        self._active, self._lost = [], []
        self._detected_at, self._face_lost, self._losses_until = None, False, -np.inf


class _FaceTrack:
    """The state of one track; compared by identity."""

    def __init__(self, face: Faces, media_time: float) -> None:
        self.face = face  # one row
        self.seen = media_time
        self.velocity = np.zeros(2, np.float32)  # of the centre, pixels per second
        self.hits = 1  # number of frames with the face
        self.confirmed_at = media_time  # time of the last full detection of the face
        self.missed = 0  # number of full detections since then
        self.id = 0  # 0 until the track is confirmed

    @property
    def box(self) -> Floats:
        return np.asarray(self.face.boxes[0], np.float32)

    def find(self, face: Faces, media_time: float) -> None:
        """Update a lost track with a detected face."""
        self.see(face, media_time)
        self.confirm(media_time)
        self.hits += 1

    def confirm(self, media_time: float) -> None:
        """Register that a full detection found the face."""
        self.confirmed_at, self.missed = media_time, 0

    def see(self, face: Faces, media_time: float) -> None:
        """Update box and velocity with the face in the current frame."""
        elapsed = media_time - self.seen
        if elapsed > _TICK:
            velocity = (_centre(face.boxes[0]) - _centre(self.box)) / np.float32(elapsed)
            self.velocity += (velocity - self.velocity) * np.float32(1 - np.exp(-elapsed / _VELOCITY_TIME))
        self.face, self.seen = face, media_time

    def expected(self, media_time: float) -> Floats:
        """(4,) the box extrapolated to this time."""
        elapsed = min(max(media_time - self.seen, 0.0), _COASTING_TIME)
        return np.asarray(self.box + np.tile(self.velocity, 2) * np.float32(elapsed), np.float32)

    def deviation(self, face: Faces, media_time: float) -> float:
        """Distance of a face from the extrapolated box, in face heights."""
        expected = self.expected(media_time)
        return float(np.abs(_centre(face.boxes[0]) - _centre(expected)).max() / max(1.0, expected[3] - expected[1]))


def _drop_duplicates(found: Sequence[tuple[_FaceTrack, Faces]], media_time: float) -> list[_FaceTrack]:
    """Drop tracks on the same face as another track; confirmed tracks and smaller deviations take priority."""
    ranked = sorted(found, key=lambda pair: (not pair[0].id, pair[0].deviation(pair[1], media_time)))
    unique: list[_FaceTrack] = []
    boxes: list[Floats] = []
    for track, face in ranked:
        if not boxes or overlaps(np.stack(boxes), face.boxes).max() <= _SAME_FACE:
            unique.append(track)
            boxes.append(face.boxes[0])
    return unique


def greedy(overlaps: Floats, *, at_least: float) -> dict[int, int]:
    """Greedy matching: row -> column, best pairs first, each row and column once."""
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


def _enlarge(boxes: Floats) -> Floats:
    """(N, 4) boxes enlarged around their centres."""
    margins = (boxes[:, 2:] - boxes[:, :2]) * np.float32((_SEARCH_GROWTH - 1) / 2)
    return np.asarray(np.concatenate((boxes[:, :2] - margins, boxes[:, 2:] + margins), axis=1), np.float32)


def overlaps(some: Floats, others: Floats) -> Floats:
    """(N, M) intersection over union of boxes (N, 4) and (M, 4)."""
    spans = np.minimum(some[:, None, 2:], others[:, 2:]) - np.maximum(some[:, None, :2], others[:, :2])
    shared = np.maximum(spans, 0).prod(axis=2)
    areas, other_areas = ((b[:, 2:] - b[:, :2]).clip(0).prod(axis=1) for b in (some, others))
    return np.asarray(shared / np.maximum(areas[:, None] + other_areas - shared, _TICK), np.float32)
