"""What was said lately."""

import numpy as np
from support.events import analyse_frame, open_stream
from support.observations import Face, frame, observation

from monitor.server.verdict_history import VerdictHistory, VerdictPoint
from monitor.types import Label, Reason

BOX = (0.0, 0.0, 9.0, 9.0)
BLACK = np.zeros((9, 9, 3), np.uint8)


def feed(verdict_history: VerdictHistory, moment: float, *faces: Face, connection: int = 1) -> None:
    seen = observation(faces or (Face(BOX, log_odds=1.0),), media_time=moment)
    analyse_frame(verdict_history, frame(BLACK, moment), seen, connection=connection)


def test_only_faces_that_were_scored_or_rejected_are_kept() -> None:
    verdict_history = VerdictHistory()
    open_stream(verdict_history, connection=3)
    unknown = Face(BOX, 2, Label.NOT_ENOUGH_EVIDENCE, None, (Reason.TOO_SMALL,), rejected=(Reason.TOO_SMALL,))
    feed(verdict_history, 1.5, Face(BOX, 1, Label.SUSPICIOUS, 0.8, log_odds=2.0), unknown, Face(BOX, 3), connection=3)
    assert verdict_history.points == [
        VerdictPoint(connection=3, media_time=1.5, track_id=1, label=Label.SUSPICIOUS, probability=0.8),
        VerdictPoint(connection=3, media_time=1.5, track_id=2, label=Label.NOT_ENOUGH_EVIDENCE, probability=None),
    ]


def test_only_the_last_seconds_are_kept() -> None:
    verdict_history = VerdictHistory(seconds=2.0)
    for moment in (0.0, 1.0, 2.0, 3.0):
        feed(verdict_history, moment)
    assert [point.media_time for point in verdict_history.points] == [1.0, 2.0, 3.0]
    feed(verdict_history, 4.5, Face(BOX))
    assert [point.media_time for point in verdict_history.points] == [3.0], "time passes without scores, too"
    feed(verdict_history, 60.0, Face(BOX))
    assert verdict_history.points == []


def test_there_are_never_more_than_allowed() -> None:
    verdict_history = VerdictHistory(seconds=100.0, max_points=3)
    for moment in range(5):
        feed(verdict_history, float(moment))
    assert [point.media_time for point in verdict_history.points] == [2.0, 3.0, 4.0]


def test_a_new_connection_forgets() -> None:
    verdict_history = VerdictHistory()
    open_stream(verdict_history)
    feed(verdict_history, 50.0)
    open_stream(verdict_history, connection=2)
    assert verdict_history.points == []
    feed(verdict_history, 0.5, connection=2)
    assert [(point.connection, point.media_time) for point in verdict_history.points] == [(2, 0.5)]


def test_what_was_asked_for_does_not_change_any_more() -> None:
    verdict_history = VerdictHistory()
    feed(verdict_history, 0.0)
    before = verdict_history.points
    feed(verdict_history, 1.0)
    assert len(before) == 1


def test_the_worst_verdict_on_each_face_is_found() -> None:
    verdict_history = VerdictHistory()
    for moment, label, probability in (
        (1.0, Label.SUSPICIOUS, 0.8),
        (2.0, Label.LIKELY_FAKE, 0.91),
        (3.0, Label.SUSPICIOUS, 0.95),
    ):
        feed(verdict_history, moment, Face(BOX, 4, label, probability, log_odds=2.0))
    feed(verdict_history, 4.0, Face(BOX, 2, Label.LIKELY_REAL, 0.1, log_odds=-2.0))
    feed(verdict_history, 5.0, Face(BOX, 2, Label.LIKELY_REAL, 0.2, log_odds=-2.0))
    found = [(point.track_id, point.media_time, point.label) for point in verdict_history.worst]
    assert found == [(2, 5.0, Label.LIKELY_REAL), (4, 2.0, Label.LIKELY_FAKE)]
    assert VerdictHistory().worst == []
