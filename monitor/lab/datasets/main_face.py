"""Selects the main face of a video from the faces of the sampled frames.

The main face is the person seen in most of the frames, or the larger one of two. (The largest face of each frame
would jump between people, and data sets rarely name the manipulated face.) The rule is the same for reals and fakes;
otherwise the selection would give the label away. If a face was flagged, that one is selected.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from monitor.lab.datasets.record import FlaggedFace, overlap
from monitor.types import Faces, Floats

_REACH = 1.0  # largest movement between two sampled frames, box heights
_GROWTH = 2.0  # largest change of size, as a factor
_FLAGGED = 0.3  # smallest intersection over union with the flagged box
_ROUNDING = 0.001  # seconds; some containers round their times to this


@dataclass(slots=True)
class _Person:
    box: Floats  # (4,) last seen box
    rows: dict[int, int] = field(default_factory=dict)  # frame -> row of its faces
    height: float = 0.0  # summed over the frames, pixels

    def see(self, frame: int, row: int, box: Floats) -> None:
        self.box, self.rows[frame] = box, row
        self.height += float(box[3] - box[1])


def protagonist(found: Sequence[Faces]) -> list[int | None]:
    """The row of the main face in each frame, or None.

    If the person is not recognised by position and size, the only face of a frame is used (after a cut, or a long
    movement), and none of several. For a single frame, the largest face is used.
    """
    people: list[_Person] = []
    for frame, faces in enumerate(found):
        taken: set[int] = set()
        seen: set[int] = set()
        for _, who, row in sorted(_near(people, faces)):
            if who not in seen and row not in taken:
                people[who].see(frame, row, faces.boxes[row])
                seen.add(who)
                taken.add(row)
        for row in range(len(faces)):
            if row not in taken:
                people.append(_Person(faces.boxes[row]))
                people[-1].see(frame, row, faces.boxes[row])
    if not people:
        return [None] * len(found)
    best = max(people, key=lambda person: (len(person.rows), person.height))
    return [best.rows.get(frame, 0 if len(faces) == 1 else None) for frame, faces in enumerate(found)]


def flagged_face(faces: Faces, flagged: Sequence[FlaggedFace], *, at: float | None) -> int | None:
    """The row of the face with the largest overlap with the flagged box; None if all overlaps are small.

    Args:
        faces: of one frame.
        flagged: boxes with their times.
        at: media time of the frame, seconds; None for a picture.
    """
    best, chosen = _FLAGGED, None
    for one in flagged:
        if one.box is None or not (at is None or one.start <= at + _ROUNDING < one.end):
            continue
        for row, box in enumerate(faces.boxes):
            x1, y1, x2, y2 = box.tolist()
            if (shared := overlap((x1, y1, x2, y2), one.box)) >= best:
                best, chosen = shared, row
    return chosen


def _near(people: Sequence[_Person], faces: Faces) -> list[tuple[float, int, int]]:
    """(distance in box heights, person, row) of all possible matches."""
    pairs = []
    for who, person in enumerate(people):
        height = float(person.box[3] - person.box[1])
        centre = (person.box[:2] + person.box[2:]) / 2
        for row, box in enumerate(faces.boxes):
            ratio = float(box[3] - box[1]) / max(height, 1e-6)
            distance = float(np.linalg.norm((box[:2] + box[2:]) / 2 - centre)) / max(height, 1e-6)
            if distance <= _REACH and 1 / _GROWTH <= ratio <= _GROWTH:
                pairs.append((distance, who, row))
    return pairs
