from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

import pytest

from monitor.lab.datasets.answers import FeedbackRow, contradictory, faces_in, newest, same_face
from monitor.lab.datasets.record import Box

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEFT: Box = (0.0, 0.0, 100.0, 100.0)
NEARLY_LEFT: Box = (10.0, 0.0, 110.0, 100.0)
RIGHT: Box = (300.0, 0.0, 400.0, 100.0)


def row(label: str = "fake", **others: object) -> FeedbackRow:
    return FeedbackRow(path=PurePosixPath("a.jpg"), label=label, **others)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"track_id": 1}, {"track_id": 2}, False),
        ({"track_id": 1, "box": LEFT}, {"track_id": 1, "box": RIGHT}, True),
        ({"box": LEFT}, {"box": NEARLY_LEFT}, True),
        ({"box": LEFT}, {"track_id": 3, "box": RIGHT}, False),
        ({"track_id": 3}, {"box": RIGHT}, True),
        ({}, {"box": RIGHT}, True),
    ],
)
def test_numbers_and_then_boxes_tell_faces_apart(one: dict, other: dict, same: bool) -> None:
    assert same_face(row(**one), row(**other)) is same
    assert same_face(row(**other), row(**one)) is same


def test_an_answer_about_another_box_replaces_nothing() -> None:
    first, other, again = row(box=LEFT, created_at=NOON), row("real", box=RIGHT), row("real", box=NEARLY_LEFT)
    assert newest([first, other]) == ([first, other], 0)
    assert newest([first, other, again]) == ([first, other], 1), "an older answer replaces nothing either"
    later = row("real", box=NEARLY_LEFT, created_at=NOON + timedelta(hours=1))
    assert newest([first, other, later]) == ([later, other], 1)


def test_two_boxes_do_not_contradict_each_other() -> None:
    assert not contradictory([row("real", box=LEFT), row("fake", box=RIGHT)])
    assert contradictory([row("real", box=LEFT), row("fake", box=NEARLY_LEFT)])
    assert contradictory([row("real"), row("fake", box=NEARLY_LEFT)])


def test_answers_are_sorted_by_face_and_those_about_all_belong_to_each() -> None:
    one, two, drawn, new, every = (
        row(track_id=1, box=LEFT),
        row(track_id=2),
        row(box=NEARLY_LEFT),
        row(box=RIGHT),
        row(),
    )
    assert faces_in([every, drawn, one, two, new]) == [[one, drawn, every], [two, every], [new, every]]
    assert faces_in([every]) == [[every]]
