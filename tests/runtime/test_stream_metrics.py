"""Totals do not fall, whatever happens to the source."""

from dataclasses import replace

import numpy as np
from support.events import analyse_frame, close_stream, open_stream
from support.observations import Face, change, frame, observation

from monitor.runtime import StreamMetrics
from monitor.types import Hint, HintKind, Label
from monitor.types.stats import LATENCIES, SessionStats

PICTURE = frame(np.zeros((48, 64, 3), np.uint8))


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

    def opens(self) -> None:
        open_stream(self.tally)

    def sees(self, *faces: Face, **changes: object) -> None:
        analyse_frame(self.tally, PICTURE, replace(observation(faces, index=0), **changes))

    def closes(self) -> None:
        assert self.stats is not None
        close_stream(self.tally, frames=self.stats)


def test_nothing_is_counted_before_the_first_frame() -> None:
    totals = Watched().tally.totals
    assert (totals.read, totals.analysed, sum(totals.latencies)) == (0, 0, 0)


def test_a_connection_that_is_over_stays_counted_and_is_counted_once() -> None:
    watched = Watched()
    watched.stats = stats(10, 8, dropped=2, lost=1)
    watched.opens()
    assert (watched.tally.totals.read, watched.tally.totals.dropped["analysis behind"]) == (10, 2)
    watched.closes()
    assert watched.tally.totals.read == 10
    assert watched.tally.totals.read == 10, "the old session is still the newest one that the stream has"
    watched.stats = stats(3, 3, lost=4)
    assert watched.tally.totals.read == 10, "the next connection is not open yet"
    watched.opens()
    totals = watched.tally.totals
    assert (totals.read, totals.analysed) == (13, 11)
    assert (totals.dropped["analysis behind"], totals.lost["damaged"]) == (2, 5)
    watched.closes()
    watched.stats = None
    assert watched.tally.totals.lost["damaged"] == 5


def test_latencies_of_all_connections_are_one_histogram() -> None:
    watched = Watched()
    assert watched.tally.totals.latencies == (0,) * (len(LATENCIES) + 1)
    bins = (1, 0, 2, *([0] * (len(LATENCIES) - 2)))
    for _ in range(2):
        watched.stats = replace(stats(3, 3), latencies=bins, latency=0.5)
        watched.opens()
        watched.closes()
    watched.stats = replace(stats(3, 3), latencies=bins, latency=0.25)
    watched.opens()
    assert watched.tally.totals.latencies == (3, 0, 6, *([0] * (len(LATENCIES) - 2)))
    assert watched.tally.totals.latency == 1.25


def test_faces_that_are_seen_now_are_gone_with_the_connection() -> None:
    watched = Watched()
    watched.stats = stats(1, 1)
    watched.sees(Face((0, 0, 10, 10), 1, Label.SUSPICIOUS, 0.8))
    assert watched.tally.faces == {Label.SUSPICIOUS: 1}
    watched.closes()
    assert watched.tally.faces == {}


def test_hints_that_hold_now_are_gone_with_the_connection() -> None:
    watched = Watched()
    watched.stats = stats(1, 1)
    watched.sees(hints=(Hint(HintKind.FROZEN, 1.0), Hint(HintKind.VIRTUAL_CAMERA, 0.0)))
    assert watched.tally.hints == {HintKind.FROZEN, HintKind.VIRTUAL_CAMERA}
    watched.closes()
    assert watched.tally.hints == frozenset()


def test_label_changes_flags_and_openings_are_counted_where_they_happen() -> None:
    watched = Watched()
    watched.stats = stats(1, 1)
    watched.opens()
    watched.sees(Face((0, 0, 10, 10), 1, Label.SUSPICIOUS, 0.8), changes=(change(1, Label.SUSPICIOUS),))
    watched.closes()
    watched.opens()
    totals = watched.tally.totals
    assert (totals.openings, totals.changes, totals.flags) == (2, {Label.SUSPICIOUS: 1}, 0)
