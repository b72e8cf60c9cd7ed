"""A wall clock that is set, and the age of flags."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from support.clock import Clock, use_clock

from monitor.flags import retention_clock as module
from monitor.flags.retention_clock import CONFIRMATION, RetentionClock

HOUR, YEAR = 3600.0, 365 * 86_400.0


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    return use_clock(monkeypatch, module)


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch, wall: type[Clock]) -> SimpleNamespace:
    """Time that passes on both clocks: ``steady.passed`` seconds."""
    begin = module.time.monotonic()
    steady = SimpleNamespace(passed=0.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: begin + steady.passed))
    return steady


def ahead(clock: RetentionClock) -> float:
    return (clock.now() - datetime.now(UTC)) / timedelta(seconds=1)


def test_it_goes_with_the_wall_clock(wall: type[Clock], steady: SimpleNamespace) -> None:
    clock = RetentionClock()
    wall.ahead = steady.passed = 3 * HOUR
    assert ahead(clock) == pytest.approx(3 * HOUR, abs=5)


def test_a_clock_set_forward_counts_a_day_later(wall: type[Clock], steady: SimpleNamespace) -> None:
    clock = RetentionClock()
    wall.ahead = YEAR
    assert ahead(clock) == pytest.approx(0, abs=5)
    steady.passed = CONFIRMATION - HOUR
    wall.ahead = YEAR + steady.passed
    assert ahead(clock) == pytest.approx(steady.passed, abs=5)
    steady.passed = CONFIRMATION + HOUR
    wall.ahead = YEAR + steady.passed
    assert ahead(clock) == pytest.approx(YEAR + steady.passed, abs=5)


def test_a_clock_set_forward_by_mistake_and_back_never_counts(wall: type[Clock], steady: SimpleNamespace) -> None:
    clock = RetentionClock()
    for hours in range(72):
        steady.passed = hours * HOUR
        wall.ahead = steady.passed + (YEAR if hours % 24 < 20 else 0)
        assert ahead(clock) == pytest.approx(steady.passed, abs=5)


def test_a_clock_set_back_counts_at_once(wall: type[Clock], steady: SimpleNamespace) -> None:
    clock = RetentionClock()
    wall.ahead = -HOUR
    assert ahead(clock) == pytest.approx(-HOUR, abs=5)
