"""Positions of plates, including the cases in layout.json, which also test the dashboard's script.

After an intended change, rewrite the cases with ``PYTHONPATH=tests python tests/overlay/test_layout.py``
and review the difference.
"""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.overlay.layout import Layout, Rectangle, leader

FRAME = (640, 360)
PLATE = (150, 34)
GOLDEN = Path(__file__).with_name("layout.json")
CASES = json.loads(GOLDEN.read_text(encoding="utf-8"))


def place(boxes: list[Rectangle], layout: Layout | None = None, taken: tuple[Rectangle, ...] = ()) -> list[Rectangle]:
    plates = [(track, PLATE) for track in range(1, len(boxes) + 1)]
    return (layout or Layout()).place(plates, boxes, frame=FRAME, taken=taken)


def test_a_plate_is_above_its_box() -> None:
    assert place([Rectangle(200, 150, 80, 100)]) == [Rectangle(200, 150 - 3 - 34, *PLATE)]


def test_at_the_upper_edge_a_plate_is_below_its_box() -> None:
    assert place([Rectangle(200, 5, 80, 100)]) == [Rectangle(200, 108, *PLATE)]


@given(
    st.lists(
        st.builds(Rectangle, st.floats(-200, 640), st.floats(-200, 360), st.floats(1, 500), st.floats(1, 500)),
        max_size=6,
    )
)
def test_plates_stay_inside_the_frame(boxes: list[Rectangle]) -> None:
    for spot in place(boxes):
        assert spot.left >= 0
        assert spot.top >= 0
        assert spot.right <= FRAME[0]
        assert spot.bottom <= FRAME[1]


def test_plates_of_neighbours_cover_neither_each_other_nor_faces() -> None:
    boxes = [Rectangle(x, 160 + 7 * (x % 3), 45, 55) for x in (150, 205, 262, 315, 371)]
    spots = place(boxes)
    assert all(one.covered_by(other) == 0 for one, other in itertools.combinations(spots, 2))
    assert all(box.covered_by(spot) == 0 for spot in spots for box in boxes)


def test_taken_areas_stay_visible() -> None:
    status = Rectangle(100, 60, 500, 60)
    assert place([Rectangle(200, 110, 80, 100)], taken=(status,))[0].covered_by(status) == 0


def test_a_plate_keeps_its_side_at_the_edge() -> None:
    layout = Layout()
    tops = [place([Rectangle(200, top, 80, 100)], layout)[0].top for top in (20, 38, 20, 38, 20, 38)]
    assert all(top > 100 for top in tops), "it hangs below, as in the first frame"
    assert place([Rectangle(200, 38, 80, 100)])[0].top < 38, "without that history it would stand above"


def test_a_leader_line_is_the_shortest_one() -> None:
    face = Rectangle(100, 100, 50, 50)
    assert face.towards(Rectangle(200, 20, 30, 30)) == ((150, 100), (200, 50))
    assert face.towards(Rectangle(110, 200, 20, 30)) == ((120, 150), (120, 200))
    (x, y), end = face.towards(Rectangle(90, 90, 100, 100))
    assert (x, y) == end


def test_a_plate_larger_than_the_frame_starts_at_its_corner() -> None:
    spots = Layout().place([(1, (900, 500))], [Rectangle(10, 10, 50, 50)], frame=FRAME, taken=())
    assert spots == [Rectangle(0, 0, 900, 500)]


def laid_out(case: dict[str, Any]) -> list[dict[str, Any]]:
    """The places of the plates in each frame of a case, and their leader lines."""
    layout, frame, found = Layout(), tuple(case["frame"]), []
    for moment in case["moments"]:
        boxes = [Rectangle(*box) for box in moment["boxes"]]
        places = layout.place(
            [(track, (width, height)) for track, width, height in moment["plates"]],
            boxes,
            frame=frame,
            taken=[Rectangle(*one) for one in case["taken"]],
            bare=[Rectangle(*one) for one in moment.get("bare", ())],
        )
        lines = [leader(box, place, frame=frame) for box, place in zip(boxes, places, strict=True)]
        found.append(
            {"places": [list(place) for place in places], "leaders": [line and sum(line, ()) for line in lines]}
        )
    return found


@pytest.mark.parametrize("name", CASES)
def test_places_equal_the_stored_ones(name: str) -> None:
    for moment, found in zip(CASES[name]["moments"], laid_out(CASES[name]), strict=True):
        assert found["places"] == [pytest.approx(place) for place in moment["places"]]
        assert found["leaders"] == [line and pytest.approx(line) for line in moment["leaders"]]


def test_the_cases_cover_every_side_and_leaders() -> None:
    sides, lines = set(), 0
    for case in CASES.values():
        for moment in case["moments"]:
            for (_, width, height), box, place in zip(moment["plates"], moment["boxes"], moment["places"], strict=True):
                across = "left" if place[0] + width <= box[0] else "right" if place[0] >= box[0] + box[2] else "middle"
                along = "above" if place[1] + height <= box[1] else "below" if place[1] >= box[1] + box[3] else "beside"
                sides.add((across, along))
            lines += sum(line is not None for line in moment["leaders"])
    assert {("middle", "above"), ("middle", "below"), ("middle", "beside")} <= sides
    assert {("left", "beside"), ("right", "beside")} <= sides
    assert lines >= 2


def _record() -> None:
    """Rewrite the cases with the current places."""
    for case in CASES.values():
        for moment, found in zip(case["moments"], laid_out(case), strict=True):
            moment |= found
    text = json.dumps(CASES, indent=1)
    rows = re.sub(r"\[\s+([-\d.,\s]+?)\s+\]", lambda row: f"[{' '.join(row[1].split())}]", text)
    GOLDEN.write_text(rows + "\n", encoding="utf-8")


if __name__ == "__main__":
    _record()
