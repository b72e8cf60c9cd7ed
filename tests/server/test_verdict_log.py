"""The verdicts of the last hours, in bounded memory."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from support.observations import Face, frame, observation

from monitor.server import verdict_log as module
from monitor.server.verdict_log import VerdictLog
from monitor.types import Label, Reason
from monitor.types.events import FrameAnalysed

BOX = (0.0, 0.0, 9.0, 9.0)
BLACK = np.zeros((9, 9, 3), np.uint8)
START = datetime.now(UTC)  # of each test: fifty minutes ago


@pytest.fixture(autouse=True)
def _start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "START", datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=50))


def feed(log: VerdictLog, seconds: float, *faces: Face, connection: int = 1) -> None:
    seen = observation(faces or (Face(BOX, log_odds=1.0),), media_time=seconds)
    at = START + timedelta(seconds=seconds)
    log(FrameAnalysed(stream="cam", connection=connection, at=at, frame=frame(BLACK, seconds), observation=seen))


def face(probability: float, track: int = 1, label: Label = Label.LIKELY_REAL) -> Face:
    return Face(BOX, track, label, probability, log_odds=1.0)


def test_old_points_are_the_worst_of_each_face_in_each_second() -> None:
    log = VerdictLog(hours=1.0, max_points=1000)
    for tenth in range(20):  # two seconds
        one = face(0.5, label=Label.SUSPICIOUS) if tenth == 4 else face(tenth / 100)
        feed(log, tenth / 10, one, face(0.9 - tenth / 100, track=2))
    assert len(log.points()) == 40, "complete while they are new"
    feed(log, 200.0, face(0.1))
    found = [(point.at - START, point.track_id, point.probability) for point in log.points()]
    assert found == [
        (timedelta(seconds=0.0), 2, pytest.approx(0.9)),
        (timedelta(seconds=0.4), 1, pytest.approx(0.5)),
        (timedelta(seconds=1.0), 2, pytest.approx(0.8)),
        (timedelta(seconds=1.9), 1, pytest.approx(0.19)),
        (timedelta(seconds=200.0), 1, pytest.approx(0.1)),
    ]
    assert log.points()[1].label is Label.SUSPICIOUS


def test_an_unknown_verdict_stays_unknown() -> None:
    log = VerdictLog(hours=1.0, max_points=1000)
    unknown = Face(BOX, 2, Label.NOT_ENOUGH_EVIDENCE, None, (Reason.TOO_SMALL,), rejected=(Reason.TOO_SMALL,))
    feed(log, 0.0, unknown, Face(BOX, 3))
    feed(log, 300.0)
    assert log.points()[0].to_dict() == {
        "at": START.isoformat(),
        "connection": 1,
        "media_time": 0.0,
        "track_id": 2,
        "label": "NOT_ENOUGH_EVIDENCE",
        "probability": None,
    }


def test_hours_of_points_stay_within_the_limit_and_the_newest_are_kept() -> None:
    log = VerdictLog(hours=24.0, max_points=1500)
    for second in range(2900):
        feed(log, second, face(0.25))
    points = log.points()
    assert len(points) == 1500 + 1 + 121, "thinned, the second that is being thinned, and the last two minutes"
    assert points[-1].at == START + timedelta(seconds=2899)
    assert [b.at - a.at for a, b in itertools.pairwise(points)] == [timedelta(seconds=1)] * 1621
    assert log._rows.nbytes == 1500 * module._ROW.itemsize


def test_a_page_of_points_is_converted_without_the_lock_and_without_the_other_points(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = VerdictLog(hours=1.0, max_points=1000)
    for second in range(1000):
        feed(log, second, face(0.25), face(0.5, track=2))
    made: list[bool] = []  # whether the lock was held

    def make(*values: Any) -> object:
        made.append(log._lock.locked())
        return point(*values)

    point = module._Point
    monkeypatch.setattr(module, "_Point", make)
    found = log.points(after=((START + timedelta(seconds=600)).timestamp(), 1, 1), limit=3)
    assert [(one.media_time, one.track_id) for one in found] == [(600.0, 2), (601.0, 1), (601.0, 2)]
    assert not any(made)
    assert 3 <= len(made) <= 5, "and one frame more"


def test_points_older_than_the_hours_are_not_answered() -> None:
    log = VerdictLog(hours=0.5, max_points=1000)
    feed(log, 0.0)
    feed(log, 40 * 60.0)
    assert [point.media_time for point in log.points()] == [2400.0]


def test_a_clock_that_is_set_back_loses_no_point_and_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_RECENT", 10)
    log = VerdictLog(hours=1.0, max_points=1000)
    for second in (*range(100, 110), *range(30)):
        feed(log, second)
    assert len(log._recent) == 10
    assert [point.media_time for point in log.points()] == [*map(float, range(30)), *map(float, range(100, 110))]
    assert log.points(limit=2, after=(START.timestamp() + 5, 1, 1))[0].media_time == 6.0


def test_the_newest_verdicts_are_those_of_the_newest_frame() -> None:
    log = VerdictLog(hours=1.0, max_points=1000)
    assert log.newest is None
    feed(log, 1.0, face(0.1), face(0.2, track=2))
    feed(log, 2.0, face(0.3, track=2))
    assert log.newest is not None
    assert [(verdict.track_id, verdict.probability) for verdict in log.newest.verdicts] == [(2, 0.3)]
