import math

import pytest

from monitor.types import Reason
from monitor.types.formatting import (
    clock,
    clock_span,
    count,
    percent,
    percent_or_unknown,
    reasons_in_words,
    share,
    suggest,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0:00.0"), (7.44, "0:07.4"), (59.96, "1:00.0"), (720.0, "12:00.0"), (3723.0, "1:02:03.0")],
)
def test_media_time_is_minutes_seconds_and_tenths(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_a_span_without_an_end_goes_to_the_end() -> None:
    assert clock_span(12, 20) == "0:12.0 to 0:20.0"
    assert clock_span(12, None) == "0:12.0 to the end"


@pytest.mark.parametrize(
    ("probability", "text"),
    [(0.0, "<1 %"), (0.004, "<1 %"), (0.5, "50 %"), (0.943, "94 %"), (0.994, ">99 %"), (1.0, ">99 %")],
)
def test_a_probability_is_never_certain(probability: float, text: str) -> None:
    assert percent(probability) == percent_or_unknown(probability) == text


@pytest.mark.parametrize("probability", [None, math.nan])
def test_a_missing_probability_is_unknown(probability: float | None) -> None:
    assert percent_or_unknown(probability) == "unknown"


def test_a_share_may_be_zero_or_one() -> None:
    assert [share(part) for part in (0.0, 0.504, 1.0)] == ["0 %", "50 %", "100 %"]
    assert share(0.9634, digits=1) == "96.3 %"


def test_one_is_singular() -> None:
    assert [count(number, "flag") for number in (0, 1, 2)] == ["0 flags", "1 flag", "2 flags"]


def test_reasons_and_their_names_become_words() -> None:
    assert reasons_in_words([Reason.TOO_SMALL, Reason.PROFILE_POSE]) == "face too small, face turned away"
    assert reasons_in_words(["TOO_SMALL", "PROFILE_POSE"]) == "face too small, face turned away"
    assert reasons_in_words([]) == ""


def test_every_reason_has_words() -> None:
    assert all(reasons_in_words([reason]) for reason in Reason)


def test_a_similar_name_is_suggested() -> None:
    known = ["auto", "cuda", "onnxruntime"]
    assert suggest("cuuda", known) == suggest("CUDA", known) == "; did you mean cuda?"
    assert suggest("abacus", known) == suggest("", known) == ""
    assert suggest("memmory", {"memory": "tracker.max_age"}) == "; did you mean tracker.max_age?"
