import logging
import math
from itertools import pairwise

import pytest

from monitor.runtime import LoadShedder
from monitor.runtime.load_shedder import LADDER, StreamLoad


class Clock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def load(clock: Clock) -> LoadShedder:
    return LoadShedder(clock=clock)


def pass_seconds(load: LoadShedder, clock: Clock, seconds: float, *, lost: float = 0.0, late: float = 0.0) -> None:
    """25 frames a second, of which a share is lost or late; reported every two seconds."""
    for _ in range(round(seconds / 2)):
        clock.now += 2.0
        load.report(frames=50, missed=round(50 * (lost + late)))


def test_all_frames_are_analysed_without_losses(load: LoadShedder, clock: Clock) -> None:
    pass_seconds(load, clock, 60, lost=0.02)
    assert load.cadence == LADDER[0]
    assert str(load.cadence) == "all is analysed"


def test_each_step_of_the_ladder_is_less_work() -> None:
    for above, below in pairwise(LADDER):
        assert below != above
        assert below.min_score_interval >= above.min_score_interval
        assert (below.fps or math.inf) <= (above.fps or math.inf)
    assert LADDER[-1].min_score_interval <= 0.5, "two scores a second stay"


def test_losses_step_down_by_one_and_many_losses_by_two(load: LoadShedder, clock: Clock) -> None:
    pass_seconds(load, clock, 2, lost=0.1)
    assert load.level == 1
    pass_seconds(load, clock, 2, lost=0.5)
    assert load.level == 3


def test_no_frames_change_nothing(load: LoadShedder, clock: Clock) -> None:
    clock.now += 60
    load.report(frames=0, missed=0)
    assert load.level == 0


def test_the_ladder_has_an_end(load: LoadShedder, clock: Clock) -> None:
    pass_seconds(load, clock, 60, lost=0.9)
    assert load.level == len(LADDER) - 1


def test_the_level_recovers_after_a_while_without_losses(load: LoadShedder, clock: Clock) -> None:
    pass_seconds(load, clock, 2, lost=0.5)
    pass_seconds(load, clock, 4)
    assert load.level == 2
    pass_seconds(load, clock, 20)
    assert load.level == 0


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_retries_of_a_failed_level_back_off(load: LoadShedder, clock: Clock, share: float) -> None:
    """A machine that can run at level 1, but not at level 0."""
    tries = 0
    for _ in range(300):
        before = load.level
        pass_seconds(load, clock, 2, lost=share if load.level == 0 else 0.0)
        tries += load.level == 0 != before
    assert 2 <= tries <= 9, "10 + 20 + 40 + 80 + 120 + ... seconds lie between two of them"


def stream_load(
    load: LoadShedder, clock: Clock, seconds: float, *, busy: float, latency: float = 0.05, lost: int = 0
) -> None:
    """A stream of 25 frames a second, reported from the start, each frame with a share of its time."""
    stream = StreamLoad(load)
    for index in range(round(25 * seconds)):
        clock.now += 0.04
        stream.add_frame(latency=latency, busy=busy * 0.04, lost=lost * index)


def test_frames_lost_by_a_busy_analysis_count(load: LoadShedder, clock: Clock) -> None:
    stream_load(load, clock, 4.5, busy=0.95, lost=1)
    assert load.level == 2


def test_frames_lost_in_a_burst_do_not_count(load: LoadShedder, clock: Clock) -> None:
    stream_load(load, clock, 60, busy=0.3, lost=1)
    assert load.level == 0


def test_late_frames_count_for_any_duration(load: LoadShedder, clock: Clock) -> None:
    stream_load(load, clock, 4.5, busy=0.1, latency=0.6)
    assert load.level == 2


def test_the_first_seconds_and_pauses_do_not_count(load: LoadShedder, clock: Clock) -> None:
    stream_load(load, clock, 1.9, busy=1.0, latency=5.0, lost=5)
    assert load.level == 0
    stream = StreamLoad(load)
    for _ in range(10):
        clock.now += 30
        stream.add_frame(latency=20.0, busy=20.0, lost=0)
    assert load.level == 0


def test_a_change_of_cadence_is_logged(load: LoadShedder, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        pass_seconds(load, clock, 4, lost=0.5)
    assert str(load.cadence) == (
        "the machine is busy: of each live source at most 10 frames/s, "
        "of each face at most 2.0 scores/s, where nobody is seen 2.0 searches/s"
    )
    assert str(load.cadence) in caplog.messages
    assert {record.levelno for record in caplog.records} == {logging.INFO}, "a terminal would say it twice"
    assert str(LADDER[2]).startswith("the machine is busy: of each live source every frame")
