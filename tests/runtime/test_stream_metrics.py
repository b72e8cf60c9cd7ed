"""Totals do not fall, whatever happens to the source."""

from dataclasses import replace

import numpy as np
from support.observations import Face, frame, observation

from monitor.runtime import LATENCIES, SessionStats, StreamMetrics
from monitor.types import Hint, HintKind, Label


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
        self.tally = StreamMetrics(lambda: self.stats)

    def sees(self, face: Face | None = None) -> None:
        self.tally(frame(np.zeros((48, 64, 3), np.uint8), 0.0, 0), observation([face] if face else [], index=0))


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


def test_latencies_of_all_epochs_are_one_histogram() -> None:
    watched = Watched()
    assert watched.tally.totals.latencies == (0,) * (len(LATENCIES) + 1)
    bins = (1, 0, 2, *([0] * (len(LATENCIES) - 2)))
    for _ in range(2):
        watched.stats = replace(stats(3, 3), latencies=bins, latency=0.5)
        watched.sees()
        watched.tally.closed()
    watched.stats = replace(stats(3, 3), latencies=bins, latency=0.25)
    watched.sees()
    assert watched.tally.totals.latencies == (3, 0, 6, *([0] * (len(LATENCIES) - 2)))
    assert watched.tally.totals.latency == 1.25


def test_faces_that_are_seen_now_are_gone_with_the_epoch() -> None:
    watched = Watched()
    watched.sees(Face((0, 0, 10, 10), 1, Label.SUSPICIOUS, 0.8))
    assert watched.tally.faces == {Label.SUSPICIOUS: 1}
    watched.tally.closed()
    assert watched.tally.faces == {}


def test_hints_that_hold_now_are_gone_with_the_epoch() -> None:
    watched = Watched()
    seen = replace(observation([], index=0), hints=(Hint(HintKind.FROZEN, 1.0), Hint(HintKind.VIRTUAL_CAMERA, 0.0)))
    watched.tally(frame(np.zeros((48, 64, 3), np.uint8), 0.0, 0), seen)
    assert watched.tally.hints == {HintKind.FROZEN, HintKind.VIRTUAL_CAMERA}
    watched.tally.closed()
    assert watched.tally.hints == frozenset()
