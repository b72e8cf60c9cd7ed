"""Combines answers of several people: the current ones, the contradictory ones, and those about the same face."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Literal

from monitor.lab.datasets.record import Box, overlap

_NEVER = datetime.min.replace(tzinfo=UTC)
_SAME_FACE = 0.3  # intersection over union of two boxes without track ids

FeedbackLabel = Literal["real", "fake", "unsure"]


@dataclass(frozen=True, slots=True)
class FeedbackRow:
    """One answer of one person about one face. The fields are the file's columns; ``box`` is four of them."""

    path: PurePosixPath  # relative to the folder
    label: FeedbackLabel
    track_id: int | None = None
    start: float | None = None  # seconds of media time; set together with ``end``
    end: float | None = None
    box: Box | None = None  # x1 y1 x2 y2, pixels of the file's own frame
    note: str = ""
    user: str = ""
    created_at: datetime | None = None
    model_id: str = ""
    probability: float | None = None  # the monitor's P(fake), 0..1


def newest(rows: Iterable[FeedbackRow]) -> tuple[list[FeedbackRow], int]:
    """Each person's newest answer about each face and span, and the number of replaced answers.

    Of equally old answers, the last one counts.
    """
    current: dict[object, list[FeedbackRow]] = {}
    replaced = 0
    for row in rows:
        given = current.setdefault((row.path, row.track_id, row.start, row.end, row.user), [])
        earlier = next((place for place, one in enumerate(given) if same_face(one, row)), None)
        if earlier is None:
            given.append(row)
            continue
        replaced += 1
        if (row.created_at or _NEVER) >= (given[earlier].created_at or _NEVER):
            given[earlier] = row
    return [row for given in current.values() for row in given], replaced


def same_face(one: FeedbackRow, other: FeedbackRow) -> bool:
    """Whether two answers about one file may be about one face; only different track ids or boxes exclude it."""
    if one.track_id is not None and other.track_id is not None:
        return one.track_id == other.track_id
    if one.box is not None and other.box is not None:
        return overlap(one.box, other.box) >= _SAME_FACE
    return True


def contradictory(answers: Sequence[FeedbackRow]) -> bool:
    """Whether the answers call the same face real and fake at the same time."""
    fakes = [row for row in answers if row.label == "fake"]
    return any(_meet(one, fake) for one in answers if one.label == "real" for fake in fakes)


def faces_in(answers: Sequence[FeedbackRow]) -> list[list[FeedbackRow]]:
    """The answers about one file, grouped by face; answers without a face are in every group."""
    named = [row for row in answers if row.track_id is not None]
    drawn = [row for row in answers if row.track_id is None and row.box is not None]
    faces: list[list[FeedbackRow]] = []
    for row in (*named, *drawn):
        near = [face for face in faces if any(_surely_one(row, one) for one in face)]
        if near:
            near[0].append(row)
        else:
            faces.append([row])
    nameless = [row for row in answers if row.track_id is None and row.box is None]
    return [[*face, *nameless] for face in faces] or [nameless]


def _surely_one(row: FeedbackRow, other: FeedbackRow) -> bool:
    named = row.track_id is not None and other.track_id is not None
    return (named or (row.box is not None and other.box is not None)) and same_face(row, other)


def _meet(one: FeedbackRow, other: FeedbackRow) -> bool:
    if not same_face(one, other):
        return False
    if one.start is None or one.end is None or other.start is None or other.end is None:
        return True
    return one.start < other.end and other.start < one.end
