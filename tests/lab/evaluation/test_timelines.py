import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.outcomes import footage, moments, outcome, span

from monitor.lab.evaluation import timelines
from monitor.lab.evaluation.timelines import EventRate, detection, genuine, monitoring
from monitor.types import Label

REAL, FAKE, SUSPICIOUS, NONE = Label.LIKELY_REAL, Label.LIKELY_FAKE, Label.SUSPICIOUS, Label.NOT_ENOUGH_EVIDENCE
TIMES = st.floats(0, 100, allow_nan=False).map(lambda value: round(value, 2))


def video(label: int, duration: float = 60.0, **others: object):
    return outcome("film", label=label, footage=footage(duration, **others))


def test_false_alarms_are_counted_on_real_footage_alone() -> None:
    found = monitoring(
        [
            video(0, 1800, alarms=(span(3, 5), span(100, 130))),  # half an hour, two alarms
            video(1, 900, alarms=(span(0, 900),)),  # right
            video(1, 1000, fake_spans=(span(400, 600),), alarms=(span(10, 18), span(390, 590))),  # one wrong, one right
        ]
    )
    assert found is not None
    assert found.videos == 3
    assert found.hours == pytest.approx(3700 / 3600)
    assert found.real_hours == pytest.approx(2600 / 3600)
    assert found.false_alarms_per_hour.events == 3
    assert found.false_alarms_per_hour.value == pytest.approx(3 / (2600 / 3600))
    assert found.false_alarm_share == pytest.approx((2 + 30 + 8 + 10) / 2600)


def test_an_alarm_is_false_if_most_of_it_lies_over_real_footage() -> None:
    hour = footage(3660, fake_spans=(span(1800, 1860),), alarms=(span(0, 3660),))
    late = footage(100, fake_spans=(span(10, 50),), alarms=(span(5, 80),))  # 40 of 75 seconds are right
    early = footage(100, fake_spans=(span(10, 50),), alarms=(span(0, 20), span(30, 72)))  # half; 20 of 42
    touching = footage(100, fake_spans=(span(10, 50),), alarms=(span(50, 50), span(60, 60)))
    counts = [len(timelines.false_alarms(film, label=1)) for film in (hour, late, early, touching)]
    assert counts == [1, 0, 1, 1]


@pytest.mark.parametrize("end", [10.0, 1000.0, math.inf])
def test_manipulated_spans_end_with_the_film(end: float) -> None:
    film = footage(10, fake_spans=(span(5, end), span(20, 30)), alarms=(span(5, 10),), moments=moments((0, 10, REAL)))
    found = timelines.matched([film])
    assert (found.alarms, found.spans, found.matched) == (1, 1, 1)
    assert genuine(film, label=1) == (span(0, 5),)
    assert timelines.switch_delays(film) == [math.inf]
    assert timelines.false_alarms(film, label=1) == []


def test_no_alarm_is_not_a_promise_of_none() -> None:
    found = monitoring([video(0, 3600)])
    assert found is not None
    rate = found.false_alarms_per_hour
    assert (rate.value, rate.low) == (0.0, 0.0)
    assert rate.high == pytest.approx(-math.log(0.025))


@pytest.mark.parametrize(
    ("events", "low", "high"), [(0, 0.0, 3.689), (1, 0.0253, 5.572), (5, 1.623, 11.668), (100, 81.36, 121.63)]
)
def test_poisson_intervals_are_those_of_the_tables(events: int, low: float, high: float) -> None:
    assert timelines.poisson_interval(events) == pytest.approx((low, high), rel=1e-3)


def test_a_rate_without_time_is_none() -> None:
    assert EventRate.of(0, 0.0).value is None


def test_the_delay_runs_from_the_switch_to_the_first_accusation() -> None:
    film = footage(
        100,
        fake_spans=(span(20, 40), span(60, 80), span(90, 95)),
        moments=moments((0, 23, REAL), (23, 41, SUSPICIOUS), (41, 59, REAL), (59, 70, FAKE), (70, 100, REAL)),
    )
    first, second, third = timelines.switch_delays(film)
    assert first == pytest.approx(3.0, abs=1e-6)
    assert math.isnan(second), "it was accusing already"
    assert third == math.inf
    found = monitoring([outcome("film", label=1, footage=film)])
    assert found is not None
    assert (found.switch.spans, found.switch.detected, found.switch.already) == (3, 2, 1)
    assert found.switch.median is None, "of the two that can be measured, one was missed"
    assert found.switch.fastest == found.switch.slowest == pytest.approx(3.0)
    assert found.whole.spans == 0


def test_an_accusation_after_the_span_comes_too_late() -> None:
    film = footage(60, fake_spans=(span(20, 30),), moments=moments((0, 31, REAL), (31, 60, FAKE)))
    assert timelines.switch_delays(film) == [math.inf]


def test_a_file_that_starts_manipulated_has_no_switch() -> None:
    film = footage(20, fake_spans=(span(0, 10), span(10, 12), span(15, 20)), moments=moments((0, 20, FAKE)))
    assert len(timelines.switch_delays(film)) == 1, "only the span after three real seconds"


def test_a_file_that_is_fake_throughout_is_detected_from_its_first_frame() -> None:
    late = footage(10, moments=moments((0, 4, NONE), (4, 10, FAKE)))
    never = footage(10, moments=moments((0, 10, REAL)))
    quick = footage(10, moments=moments((0, 1, NONE), (1, 10, SUSPICIOUS)))
    found = monitoring([outcome(str(i), label=1, footage=film) for i, film in enumerate((late, never, quick))])
    assert found is not None
    assert (found.whole.spans, found.whole.detected) == (3, 2)
    assert found.whole.median == pytest.approx(4.0)
    assert found.whole.fastest == pytest.approx(1.0)
    assert found.false_alarms_per_hour.value is None, "there is no real footage"


@pytest.mark.parametrize(
    ("delays", "median"), [([], None), ([2], 2), ([1, 2], 1.5), ([1, math.inf], None), ([3, 1, math.inf], 3)]
)
def test_a_miss_counts_as_endless(delays: list[float], median: float | None) -> None:
    assert detection(delays).median == median


def test_spans_match_at_half_and_only_once() -> None:
    film = footage(
        100,
        fake_spans=(span(10, 20), span(40, 60)),
        alarms=(span(10, 15), span(14, 21), span(48, 60), span(80, 90)),
    )
    found = timelines.matched([film])
    # 10-15 shares 5 of 10 seconds, 14-21 6 of 11: the better one takes the span
    assert (found.alarms, found.spans, found.matched) == (4, 2, 2)
    assert (found.precision, found.recall) == (0.5, 1.0)
    nothing = timelines.matched([])
    assert nothing.precision is nothing.recall is None


def test_iou_by_hand() -> None:
    assert timelines.iou(span(0, 10), span(5, 15)) == pytest.approx(1 / 3)
    assert timelines.iou(span(0, 1), span(2, 3)) == 0.0
    assert timelines.iou(span(1, 1), span(1, 1)) == 0.0


def test_flips_and_abstaining_are_per_face_time() -> None:
    found = monitoring(
        [
            video(0, 60, face_seconds=120.0, flips=3, abstaining_seconds=30.0, faces=2),
            video(1, 60, face_seconds=60.0, flips=0, abstaining_seconds=60.0),
        ]
    )
    assert found is not None
    assert found.flips_per_minute.value == pytest.approx(1.0)
    assert found.abstain_share == pytest.approx(0.5)


def test_crops_have_no_time() -> None:
    assert monitoring([outcome("crop")]) is None


def test_a_film_without_a_face_has_no_share() -> None:
    found = monitoring([video(0, 10, face_seconds=0.0)])
    assert found is not None
    assert found.abstain_share is found.flips_per_minute.value is None


@given(st.lists(st.tuples(TIMES, TIMES), max_size=6))
def test_real_and_fake_time_add_up(pairs: list[tuple[float, float]]) -> None:
    spans = tuple(span(min(pair), max(pair)) for pair in pairs)
    film = footage(100, fake_spans=spans)
    real = sum(one.duration for one in genuine(film, label=1))
    fake = sum(one.duration for one in timelines.joined(spans))
    assert real + fake == pytest.approx(100)
    assert all(timelines.overlap(one, other) == 0 for one in genuine(film, label=1) for other in spans)
