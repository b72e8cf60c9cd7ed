"""The adaptation of pictures to a viewer's connection."""

from itertools import pairwise

import pytest

from monitor.server.quality_levels import CALM, LEVELS, QUICK, SLOW, QualityAdaptation


class Line:
    """A connection of constant speed with two unacknowledged frames; a whole frame is acknowledged at once."""

    SIZES = (87_000, 45_000, 22_000, 13_000)  # bytes of the demo's pictures at each level

    def __init__(self, bits_per_second: float, *, fps: float = 25.0) -> None:
        self.adaptation, self.bits = QualityAdaptation(), bits_per_second
        self.period, self.now, self.free_at = 1 / fps, 0.0, 0.0
        self.under_way: list[tuple[float, float]] = []  # sent, answered
        self.steps: list[int] = []

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += self.period
            while self.under_way and self.under_way[0][1] <= self.now:
                sent, answered = self.under_way.pop(0)
                self.adaptation.acknowledge(sent, now=answered)
            if len(self.under_way) < 2:
                self.free_at = max(self.free_at, self.now) + 8 * self.SIZES[self.adaptation.index] / self.bits
                self.under_way.append((self.now, self.free_at))
            if not self.steps or self.steps[-1] != self.adaptation.index:
                self.steps.append(self.adaptation.index)


def test_a_fast_connection_keeps_the_best_picture() -> None:
    line = Line(100e6)
    line.run(30)
    assert line.steps == [0]


@pytest.mark.parametrize(("bits", "level"), [(3e6, 2), (1.5e6, 3), (6e6, 1), (0.1e6, 3)])
def test_a_slow_connection_ends_at_a_constant_level(bits: float, level: int) -> None:
    line = Line(bits)
    line.run(6 if bits > 1e6 else 60)
    assert line.steps[-1] == level
    before = len(line.steps)
    line.run(120)
    assert len(line.steps) == before, "it does not swing"


def test_a_recovered_connection_gets_the_best_picture_again() -> None:
    line = Line(1.5e6)
    line.run(6)
    assert line.adaptation.index == 3
    line.bits = 100e6
    line.run(3 * CALM + 3)
    assert line.steps == [0, 1, 2, 3, 2, 1, 0]


def test_one_late_acknowledgement_changes_nothing() -> None:
    adaptation = QualityAdaptation()
    for number in range(100):
        late = 1.0 if number % 10 in (3, 4) else 0.01
        adaptation.acknowledge(number * 2.0, now=number * 2.0 + late)
    assert adaptation.level == LEVELS[0]


def test_frames_of_the_previous_level_do_not_count() -> None:
    adaptation = QualityAdaptation()
    for number in range(3):
        adaptation.acknowledge(number * 0.1, now=number * 0.1 + 0.5)
    assert adaptation.index == 1
    for sent in (0.3, 0.4, 0.5):  # were under way when it stepped
        adaptation.acknowledge(sent, now=1.0)
    assert adaptation.index == 1


def test_levels_fit_the_limits() -> None:
    assert all(one.longest > other.longest for one, other in pairwise(LEVELS))
    steps = [one / other for one, other in pairwise(Line.SIZES)]
    assert max(steps) * QUICK < SLOW, "a step up is not late at once"
