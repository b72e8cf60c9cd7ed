import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from support.outcomes import crowd, footage, moments, span

from monitor.lab.evaluation import plots
from monitor.lab.evaluation.bootstrap import Estimate
from monitor.lab.evaluation.metrics import reliability
from monitor.lab.evaluation.outcomes import Columns
from monitor.settings import VerdictSettings
from monitor.types import Label

COLUMNS = Columns.of(crowd())
LABELS, SCORES = COLUMNS.labels[COLUMNS.ranked], COLUMNS.probabilities[COLUMNS.ranked]
SURE = Estimate(0.8, 0.75, 0.85, 117, 40)
FILM = footage(
    8.0,
    fake_spans=(span(2, 5),),
    alarms=(span(2.4, 5.2), span(6, 7)),
    moments=moments((0, 2, Label.LIKELY_REAL), (2, 8, Label.SUSPICIOUS)),
)
DRAWINGS = {
    "roc": lambda: plots.roc_curve(LABELS, SCORES, area=SURE),
    "precision-recall": lambda: plots.precision_recall_curve(LABELS, SCORES, area=SURE),
    "reliability": lambda: plots.reliability_curve(reliability(LABELS, SCORES), error=SURE),
    "histogram": lambda: plots.score_histogram(LABELS, SCORES, settings=VerdictSettings()),
    "intervals": lambda: plots.interval_chart({"swap": SURE, "a & b": SURE}, title="AUC", chance=0.5),
    "timeline": lambda: plots.timeline(FILM, settings=VerdictSettings(), name='<"odd"> name'),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_takes_the_colours_and_font_of_its_page(name: str) -> None:
    text = DRAWINGS[name]()
    root = ET.fromstring(text)  # noqa: S314 - our own
    assert root.tag.endswith("svg")
    assert root.get("role") == "img"
    assert root.get("aria-label")
    assert root.get("viewBox")
    assert root.get("width") is root.get("height") is None, "as wide as its place"
    assert set(re.findall(r"#[0-9a-f]{6}\b", text)) <= {"#000000"}, "no colour but the page's"
    assert "var(--ink)" in text
    assert "font-family" not in text
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'(?:url\(|href=")#([^")]+)', text):
        assert target in ids


def test_a_drawing_is_the_same_each_time() -> None:
    assert DRAWINGS["roc"]() == DRAWINGS["roc"]()


def test_ids_of_two_drawings_never_meet() -> None:
    some, others = (set(re.findall(r'\bid="([^"]+)"', DRAWINGS[name]())) for name in ("roc", "precision-recall"))
    assert not some & others


def test_reals_and_fakes_differ_without_colour() -> None:
    text = DRAWINGS["histogram"]()
    assert "real (58)" in text
    assert "fake (59)" in text
    assert "stroke-dasharray" in text
    assert "<pattern" in text, "hatched"


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    random = np.random.default_rng(0)
    labels, scores = random.integers(0, 2, 20_000), random.random(20_000)
    assert len(plots.roc_curve(labels, scores, area=SURE)) < 60_000
    rows = plots._thinned(20_000)
    assert (rows[0], rows[-1]) == (0, 19_999)


def test_what_is_missing_is_not_drawn() -> None:
    nothing = Estimate(None, None, None, 0, 0, "there are no fakes")
    assert "gone" not in plots.interval_chart({"gone": nothing, "there": SURE}, title="AUC")
    assert plots.in_words(nothing) != ""
    assert plots.in_words(SURE) == "0.80 [0.75, 0.85]"
    assert plots.in_words(Estimate(0.5, None, None, 3, 1, "one group")) == "0.50"


@pytest.mark.parametrize(
    ("duration", "step"), [(0.5, 0.1), (4, 0.5), (10, 2), (100, 15), (800, 120), (7200, 900), (100_000, 14_400)]
)
def test_times_are_ticked_in_round_steps(duration: float, step: float) -> None:
    assert plots._step(duration) == step


def test_a_short_film_has_ticks_of_whole_seconds() -> None:
    text = plots.timeline(footage(10.0), settings=VerdictSettings(), name="short")
    assert {"0:00", "0:02", "0:10"} <= set(re.findall(r"\b\d+:\d\d(?:\.\d)?", text))
    assert not re.search(r"\d:\d\d\.\d", text)


def test_a_film_without_a_moment_has_a_timeline_all_the_same() -> None:
    ET.fromstring(plots.timeline(footage(0.0), settings=VerdictSettings(), name="still"))  # noqa: S314
