"""What was said lately."""

import numpy as np
from support.events import analyse_frame, open_stream
from support.observations import Face, frame, observation

from monitor.server.verdict_history import VerdictHistory, VerdictPoint
from monitor.types import Label, Reason

BOX = (0.0, 0.0, 9.0, 9.0)
BLACK = np.zeros((9, 9, 3), np.uint8)


def feed(rolling: VerdictHistory, moment: float, *faces: Face, connection: int = 1) -> None:
    seen = observation(faces or (Face(BOX, log_odds=1.0),), media_time=moment)
    analyse_frame(rolling, frame(BLACK, moment), seen, connection=connection)


def test_only_faces_that_were_scored_or_rejected_are_kept() -> None:
    rolling = VerdictHistory()
    open_stream(rolling, connection=3)
    unknown = Face(BOX, 2, Label.NOT_ENOUGH_EVIDENCE, None, (Reason.TOO_SMALL,), rejected=(Reason.TOO_SMALL,))
    feed(rolling, 1.5, Face(BOX, 1, Label.SUSPICIOUS, 0.8, log_odds=2.0), unknown, Face(BOX, 3), connection=3)
    assert rolling.points == [
        VerdictPoint(connection=3, media_time=1.5, track_id=1, label=Label.SUSPICIOUS, probability=0.8),
        VerdictPoint(connection=3, media_time=1.5, track_id=2, label=Label.NOT_ENOUGH_EVIDENCE, probability=None),
    ]


def test_only_the_last_seconds_are_kept() -> None:
    rolling = VerdictHistory(seconds=2.0)
    for moment in (0.0, 1.0, 2.0, 3.0):
        feed(rolling, moment)
    assert [point.media_time for point in rolling.points] == [1.0, 2.0, 3.0]
    feed(rolling, 4.5, Face(BOX))
    assert [point.media_time for point in rolling.points] == [3.0], "time passes without scores, too"
    feed(rolling, 60.0, Face(BOX))
    assert rolling.points == []


def test_there_are_never_more_than_allowed() -> None:
    rolling = VerdictHistory(seconds=100.0, most=3)
    for moment in range(5):
        feed(rolling, float(moment))
    assert [point.media_time for point in rolling.points] == [2.0, 3.0, 4.0]


def test_a_new_connection_forgets() -> None:
    rolling = VerdictHistory()
    open_stream(rolling)
    feed(rolling, 50.0)
    open_stream(rolling, connection=2)
    assert rolling.points == []
    feed(rolling, 0.5, connection=2)
    assert [(point.connection, point.media_time) for point in rolling.points] == [(2, 0.5)]


def test_what_was_asked_for_does_not_change_any_more() -> None:
    rolling = VerdictHistory()
    feed(rolling, 0.0)
    before = rolling.points
    feed(rolling, 1.0)
    assert len(before) == 1
