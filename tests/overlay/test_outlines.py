import itertools

import numpy as np
import pytest

from monitor.overlay.outlines import OUTLINES, draw_leader, draw_outline
from monitor.types import Label


def drawn(label: Label, box: tuple[float, ...] = (20, 20, 100, 120), unit: float = 1.0) -> np.ndarray:
    canvas = np.full((140, 120, 3), 128, np.uint8)
    draw_outline(canvas, np.array(box, np.float32), label=label, unit=unit)
    return canvas


def test_every_label_has_its_own_line_style() -> None:
    brights = {label: (drawn(label, unit=2.0) == OUTLINES[label].rgb).all(axis=2) for label in Label}
    for one, other in itertools.combinations(Label, 2):
        differing = (brights[one] != brights[other]).sum()
        assert differing > 0.2 * max(brights[one].sum(), brights[other].sum()), (one, other)


def test_a_worse_label_has_more_line() -> None:
    ink = [(drawn(label, unit=2.0) != 128).any(axis=2).sum() for label in (Label.LIKELY_REAL, Label.SUSPICIOUS)]
    ink.append((drawn(Label.LIKELY_FAKE, unit=2.0) != 128).any(axis=2).sum())
    assert ink == sorted(ink)


@pytest.mark.parametrize("label", Label)
def test_lines_follow_the_box_and_leave_the_face_free(label: Label) -> None:
    changed = (drawn(label) != 128).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert abs(columns.min() - 20) <= 4
    assert abs(columns.max() - 100) <= 4
    assert abs(rows.min() - 20) <= 4
    assert abs(rows.max() - 120) <= 4
    assert not changed[26:114, 26:94].any()


@pytest.mark.parametrize("box", [(-50, -60, 60, 70), (90, 100, 400, 500), (30, 30, 30, 30)])
def test_boxes_are_clipped_at_the_frame(box: tuple[float, ...]) -> None:
    assert (drawn(Label.LIKELY_FAKE, box) != 128).any()


def test_a_leader_joins_two_points_in_the_colour_of_the_label() -> None:
    canvas = np.full((60, 80, 3), 128, np.uint8)
    draw_leader(canvas, (10, 10), (70, 50), label=Label.SUSPICIOUS, unit=2.0)
    rows, columns = np.nonzero((canvas == OUTLINES[Label.SUSPICIOUS].rgb).all(axis=2))
    assert (abs(columns.min() - 10) <= 3, abs(columns.max() - 70) <= 3) == (True, True)
    assert (abs(rows.min() - 10) <= 3, abs(rows.max() - 50) <= 3) == (True, True)
