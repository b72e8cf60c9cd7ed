from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.media.media_clock import BREAK, LIVE_LEAP, MediaClock
from monitor.settings import Settings

PERIOD = 0.04


def times(*timestamps: float | None) -> list[float]:
    clock = MediaClock(period=PERIOD)
    return [clock.read(timestamp) for timestamp in timestamps]


def test_time_counts_from_the_first_picture() -> None:
    assert times(1234.5, 1234.54, 1235.5) == pytest.approx([0.0, 0.04, 1.0])


def test_a_missing_timestamp_is_one_period_after_the_picture_before() -> None:
    assert times(None, None, None) == pytest.approx([0.0, 0.04, 0.08])
    assert times(7.0, None, 7.09) == pytest.approx([0.0, 0.04, 0.09])


def test_late_first_timestamps_continue_after_missing_ones() -> None:
    assert times(None, 100.0, 100.05) == pytest.approx([0.0, 0.04, 0.09])


def test_disorder_advances_by_a_tick_and_shifts_nothing_after_it() -> None:
    assert times(0.0, 0.08, 0.04, 0.08, 0.16) == pytest.approx([0.0, 0.08, 0.081, 0.082, 0.16])


@pytest.mark.parametrize("restart", [0.0, -50.0, 1e9])
def test_media_time_continues_after_a_break_when_timestamps_restart(restart: float) -> None:
    assert times(10.0, 12.0, restart, restart + 0.1) == pytest.approx([0.0, 2.0, 2.04 + BREAK, 2.14 + BREAK])


def test_breaks_are_counted_and_add_no_time_if_no_picture_was_lost() -> None:
    clock = MediaClock(period=PERIOD, lapse=0.0)
    assert [clock.read(at) for at in (10.0, 12.0, 0.0, 0.1, 1e9)] == pytest.approx([0.0, 2.0, 2.04, 2.14, 2.18])
    assert clock.breaks == 2


def test_a_break_is_longer_than_the_memory_of_tracks_and_verdicts() -> None:
    assert Settings().tracker.max_age < BREAK
    assert Settings().verdict.timeout < BREAK


def test_a_long_pause_is_a_pause_in_a_file_and_a_restart_in_a_live_source() -> None:
    assert times(0.0, 3600.0) == [0.0, 3600.0]
    clock = MediaClock(period=PERIOD, leap=LIVE_LEAP)
    assert [clock.read(at) for at in (0.0, 50.0, 3600.0)] == pytest.approx([0.0, 50.0, 50.04 + BREAK])


@settings(deadline=None)
@given(st.lists(st.none() | st.floats(-1e13, 1e13), min_size=2))
def test_time_always_increases(timestamps: list[float | None]) -> None:
    read = times(*timestamps)
    assert read[0] == 0
    assert all(before < after for before, after in pairwise(read))


@pytest.mark.parametrize(
    ("timestamps", "count"),
    [
        ((5.0, 5.04, 5.08), 0),
        ((5.0, 5.0, 5.04), 1),
        ((5.0, 5.04, 5.0, 5.0, 5.08), 2),
        ((5.0, None, 5.02), 0),  # late only relative to the estimated time
        ((50.0, 3.0, 3.04), 1),
        ((5.0, 1e9), 0),
    ],
)
def test_timestamps_that_repeat_or_run_back_are_counted(timestamps: tuple[float | None, ...], count: int) -> None:
    clock = MediaClock(period=PERIOD)
    for timestamp in timestamps:
        clock.read(timestamp)
    assert clock.disordered == count
