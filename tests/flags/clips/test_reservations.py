from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from monitor.errors import SourceError
from monitor.flags.clips.reservations import ClipReservations
from monitor.media.clip import Clip

PATH = Path("clip.mp4")


@dataclass(eq=False)
class Unit:
    """One second, ten bytes."""

    begin: float | None
    size: int = 10


def reservations(max_bytes: int = 10_000) -> ClipReservations[Unit]:
    def write(_: Path, units: Sequence[Unit], start: float, end: float) -> Clip:
        times = [unit.begin for unit in units if unit.begin is not None and unit.begin <= end]
        return Clip(times[0], times[-1], reencoded=False)

    return ClipReservations(max_bytes=max_bytes, write=write)


def seconds(first: int, last: int) -> list[Unit]:
    return [Unit(float(second)) for second in range(first, last + 1)]


def spans(*clips: Clip) -> list[tuple[float, float]]:
    return [(clip.start, clip.end) for clip in clips]


def test_it_keeps_the_units_of_its_span_and_one_more() -> None:
    held = reservations()
    clip = held.add(seconds(0, 20), start=5.5, moment=8.0, end=12.2)
    assert [unit.begin for unit in clip.units] == [5, 6, 7, 8, 9, 10, 11, 12, 13]
    assert held.size == 90
    assert spans(clip.save(PATH)) == [(5, 12)]
    clip.release()
    assert (clip.units, held.size) == ([], 0)


def test_units_that_arrive_later_belong_to_it_until_its_span_is_over() -> None:
    held = reservations()
    with held.add(seconds(0, 3), start=1.0, moment=3.0, end=5.0) as clip:
        for unit in seconds(4, 9):
            held.extend(unit)
            held.close_before(unit.begin or 0.0)
        assert [unit.begin for unit in clip.units] == [1, 2, 3, 4, 5, 6]
    held.extend(Unit(10.0))
    assert held.size == 0, "a released one keeps nothing more"


def test_a_unit_of_several_clips_counts_once() -> None:
    held, units = reservations(), seconds(0, 9)
    first, second = (held.add(units, start=0.0, moment=moment, end=9.0) for moment in (3.0, 4.0))
    assert held.size == 100
    first.release()
    assert held.size == 100
    second.release()
    assert held.size == 0


def test_a_full_memory_takes_the_seconds_around_the_moments_first() -> None:
    held = reservations(max_bytes=100)
    first = held.add(seconds(0, 8), start=0.0, moment=3.0, end=7.0)
    second = held.add(seconds(10, 18), start=10.0, moment=13.0, end=17.0)
    assert held.size <= 100
    for clip, moment in ((first, 3.0), (second, 13.0)):
        saved = clip.save(PATH)
        assert saved.start <= moment <= saved.end
    assert spans(second.save(PATH)) == [(10, 17)], "the earlier flag loses first"


def test_a_clip_has_no_gap_after_a_loss() -> None:
    held = reservations(max_bytes=60)
    clip = held.add(seconds(0, 8), start=0.0, moment=3.0, end=7.0)
    times = [unit.begin for unit in clip.units]
    assert 3.0 in times
    assert times == [float(second) for second in range(int(times[0] or 0), int(times[-1] or 0) + 1)]
    held.extend(Unit(9.0))
    assert held.size <= 60


def test_a_clip_that_fits_no_more_says_so() -> None:
    held = reservations(max_bytes=25)
    clips = [held.add(seconds(second, second), start=second, moment=second, end=second) for second in range(0, 40, 10)]
    assert held.size <= 25
    with pytest.raises(SourceError, match="the memory for waiting clips was full"):
        clips[0].save(PATH)
    assert spans(clips[2].save(PATH), clips[3].save(PATH)) == [(20, 20), (30, 30)]


def test_a_growing_unit_is_bounded() -> None:
    held, growing = reservations(max_bytes=50), Unit(0.0)
    clip = held.add([growing], start=0.0, moment=0.0, end=5.0)
    growing.size = 51
    held.fit()
    assert (held.size, clip.units) == (0, [])
