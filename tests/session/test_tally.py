"""Totals do not fall, whatever happens to the source."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from observations import Face, frame, observation

from monitor.session import LATENCIES, SessionStats, Tally
from monitor.types import Label


def stats(read: int, analysed: int, **causes: int) -> SessionStats:
    return SessionStats(
        frames_read=read,
        frames_analysed=analysed,
        dropped={"analysis behind": causes.get("dropped", 0)},
        lost={"damaged": causes.get("lost", 0)},
        seconds=1.0,
        latency_p50=None,
        latency_p95=None,
    )


class Watched:
    """A watch whose newest session says what it is told to."""

    def __init__(self) -> None:
        self.stats: SessionStats | None = None
        self.tally = Tally(lambda: self.stats)

    def sees(self, face: Face | None = None, *, age: float = 0.0) -> None:
        seen = frame(np.zeros((48, 64, 3), np.uint8), 0.0, 0)
        late = datetime.now(UTC) - timedelta(seconds=age)
        object.__setattr__(seen, "captured_at", late)
        self.tally(seen, observation([face] if face else [], index=0))


def test_nothing_is_counted_before_the_first_frame() -> None:
    totals = Watched().tally.totals
    assert (totals.read, totals.analysed, sum(totals.latencies)) == (0, 0, 0)


def test_an_epoch_that_is_over_stays_counted_and_is_counted_once() -> None:
    watched = Watched()
    watched.stats = stats(10, 8, dropped=2, lost=1)
    watched.sees()
    assert (watched.tally.totals.read, watched.tally.totals.dropped["analysis behind"]) == (10, 2)
    watched.tally.closed()
    assert watched.tally.totals.read == 10
    assert watched.tally.totals.read == 10, "the old session is still the newest one that the watch has"
    watched.stats = stats(3, 3, lost=4)
    assert watched.tally.totals.read == 10, "no frame of the new epoch was seen"
    watched.sees()
    totals = watched.tally.totals
    assert (totals.read, totals.analysed) == (13, 11)
    assert (totals.dropped["analysis behind"], totals.lost["damaged"]) == (2, 5)
    watched.tally.closed()
    watched.stats = None
    assert watched.tally.totals.lost["damaged"] == 5


def test_latencies_go_into_their_bins() -> None:
    watched = Watched()
    for age in (0.0, 0.03, 0.03, 60.0):
        watched.sees(age=age)
    bins = dict(zip((*LATENCIES, float("inf")), watched.tally.totals.latencies, strict=True))
    assert {edge: count for edge, count in bins.items() if count} == {0.01: 1, 0.05: 2, float("inf"): 1}
    assert 60 < watched.tally.totals.latency < 61


def test_faces_that_are_seen_now_are_gone_with_the_epoch() -> None:
    watched = Watched()
    watched.sees(Face((0, 0, 10, 10), 1, Label.SUSPICIOUS, 0.8))
    assert watched.tally.faces == {Label.SUSPICIOUS: 1}
    watched.tally.closed()
    assert watched.tally.faces == {}
