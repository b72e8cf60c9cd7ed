"""The viewer's scripts compute the same rectangles and the same text as the Python code."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.live_page import browsing

import monitor.dashboard.viewer
from monitor.types.formatting import clock, percent

pytestmark = pytest.mark.browser
SCRIPTS = Path(monitor.dashboard.viewer.__file__).parent
CASES = json.loads((Path(__file__).parents[2] / "overlay" / "layout.json").read_text(encoding="utf-8"))
FORMS = json.loads((Path(__file__).parents[2] / "overlay" / "plate_forms.json").read_text(encoding="utf-8"))
CHOOSE_FORMS = "({ faces, selected }) => plateForms(faces.map(([id, label]) => ({ id, label })), selected)"
LAY_OUT = """({ frame, taken, moments }) => {
    const rectangle = ([left, top, width, height]) => ({ left, top, width, height });
    const layout = new Layout();
    return moments.map(({ plates, boxes, bare = [] }) => {
        const faces = boxes.map(rectangle);
        const sizes = plates.map(([id, width, height]) => ({ id, width, height }));
        const places = layout.place(sizes, faces, { frame, taken: taken.map(rectangle), bare: bare.map(rectangle) });
        return {
            places: places.map(({ left, top, width, height }) => [left, top, width, height]),
            leaders: places.map((place, index) => leader(faces[index], place, frame)?.flat() ?? null),
        };
    });
}"""


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """An empty page with the scripts that need no other."""
    with browsing() as browser:
        page = browser.new_page()
        for name in ("formatting.js", "layout.js"):
            page.add_script_tag(content=(SCRIPTS / name).read_text(encoding="utf-8"))
        yield page


@pytest.mark.parametrize("name", CASES)
def test_plates_have_the_same_rectangles_as_in_the_overlay(page: Any, name: str) -> None:
    for moment, found in zip(CASES[name]["moments"], page.evaluate(LAY_OUT, CASES[name]), strict=True):
        assert found["places"] == [pytest.approx(place) for place in moment["places"]]
        assert found["leaders"] == [line and pytest.approx(line) for line in moment["leaders"]]


@pytest.mark.parametrize("name", FORMS)
def test_plates_have_the_same_form_as_in_the_overlay(page: Any, name: str) -> None:
    assert page.evaluate(CHOOSE_FORMS, FORMS[name]) == FORMS[name]["forms"]


def test_times_have_the_same_text(page: Any) -> None:
    times = [0.0, 7.44, 59.94, 59.96, 720.0, 3599.97, 3723.0, 36000.1]
    assert page.evaluate("times => times.map(clock)", times) == [clock(time) for time in times]


def test_probabilities_have_the_same_text(page: Any) -> None:
    some = [0.0, 0.004, 0.01, 0.504, 0.506, 0.99, 0.994, 1.0]
    assert page.evaluate("some => some.map(percent)", some) == [percent(one) for one in some]
