import itertools

from hypothesis import given
from hypothesis import strategies as st

from monitor.overlay.layout import Layout, Rectangle

FRAME = (640, 360)
PLATE = (150, 34)


def place(boxes: list[Rectangle], layout: Layout | None = None, taken: tuple[Rectangle, ...] = ()) -> list[Rectangle]:
    plates = [(track, PLATE) for track in range(1, len(boxes) + 1)]
    return (layout or Layout()).place(plates, boxes, frame=FRAME, taken=taken, gap=3)


def test_a_plate_stands_on_its_box() -> None:
    assert place([Rectangle(200, 150, 80, 100)]) == [Rectangle(200, 150 - 3 - 34, *PLATE)]


def test_at_the_upper_edge_it_hangs_below() -> None:
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


def test_plates_of_neighbours_do_not_cover_each_other_nor_their_faces() -> None:
    boxes = [Rectangle(x, 160 + 7 * (x % 3), 45, 55) for x in (150, 205, 262, 315, 371)]
    spots = place(boxes)
    assert all(one.covered_by(other) == 0 for one, other in itertools.combinations(spots, 2))
    assert all(box.covered_by(spot) == 0 for spot in spots for box in boxes)


def test_what_is_taken_stays_visible() -> None:
    status = Rectangle(100, 60, 500, 60)
    assert place([Rectangle(200, 110, 80, 100)], taken=(status,))[0].covered_by(status) == 0


def test_a_plate_keeps_its_side_while_a_face_trembles_at_the_edge() -> None:
    layout = Layout()
    tops = [place([Rectangle(200, top, 80, 100)], layout)[0].top for top in (20, 38, 20, 38, 20, 38)]
    assert all(top > 100 for top in tops), "it hangs below, as in the first frame"
    assert place([Rectangle(200, 38, 80, 100)])[0].top < 38, "without that history it would stand above"


def test_a_line_to_a_plate_is_the_shortest_one() -> None:
    face = Rectangle(100, 100, 50, 50)
    assert face.towards(Rectangle(200, 20, 30, 30)) == ((150, 100), (200, 50))
    assert face.towards(Rectangle(110, 200, 20, 30)) == ((120, 150), (120, 200))
    (x, y), end = face.towards(Rectangle(90, 90, 100, 100))
    assert (x, y) == end


def test_a_plate_larger_than_the_frame_starts_at_its_corner() -> None:
    spots = Layout().place([(1, (900, 500))], [Rectangle(10, 10, 50, 50)], frame=FRAME, taken=(), gap=3)
    assert spots == [Rectangle(0, 0, 900, 500)]
