"""Positions turn with the pixels, and landmarks are right at any quarter turn."""

import numpy as np
import pytest
from support.footage import posed

from monitor.analysis.pipeline import Engines
from monitor.analysis.quality import measure_roll
from monitor.faces.quarter_turns import ALL_TURNS, find_landmarks, turn_of, turn_pixels
from monitor.types import Faces

QUARTERS = pytest.mark.parametrize("turns", ALL_TURNS)
BOX = np.array([(10, 20, 40, 50)], np.float32)


@QUARTERS
def test_a_box_turns_with_its_pixels(turns: int) -> None:
    pixels = np.zeros((90, 160, 3), np.uint8)
    pixels[20:50, 10:40] = 255
    x1, y1, x2, y2 = turn_of(pixels, turns).turn_boxes(BOX)[0].astype(int)
    view = turn_pixels(pixels, turns)
    assert np.array_equal(view, np.rot90(pixels, turns))
    assert view[y1:y2, x1:x2].min() == 255
    assert view.sum() == view[y1:y2, x1:x2].sum()


@QUARTERS
def test_a_turn_and_its_inverse_change_nothing(turns: int) -> None:
    points = np.random.default_rng(0).uniform(0, 90, (1, 5, 2)).astype(np.float32)
    faces = Faces(boxes=BOX, probabilities=np.ones(1, np.float32), landmarks=points)
    turn = turn_of(np.zeros((90, 160, 3), np.uint8), turns)
    back = turn.inverse.turn_faces(turn.turn_faces(faces))
    np.testing.assert_allclose(back.boxes, faces.boxes, atol=1e-4)
    np.testing.assert_allclose(back.landmarks, faces.landmarks, atol=1e-4)


@QUARTERS
def test_landmarks_are_found_in_a_face_on_its_side_or_upside_down(engines: Engines, turns: int) -> None:
    upright = posed((300, 220, 160))
    (expected,) = engines.faces.detect(upright).landmarks
    turn = turn_of(upright, turns)
    turned = np.ascontiguousarray(np.rot90(upright, turns))
    box = turn.turn_boxes(engines.faces.detect(upright).boxes)
    found = find_landmarks(engines.faces, turned, engines.faces.refine(turned, box))
    assert np.abs(found.landmarks[0] - turn.turn_points(expected)).max() < 8
    distance = abs(measure_roll(found.landmarks)[0] - measure_roll(expected[None])[0] + 90 * turns) % 360
    assert min(distance, 360 - distance) < 6


def test_upright_landmarks_stay_and_nobody_stays_nobody(engines: Engines) -> None:
    upright = posed((300, 220, 160))
    faces = engines.faces.detect(upright)
    assert np.array_equal(find_landmarks(engines.faces, upright, faces).landmarks, faces.landmarks)
    assert len(find_landmarks(engines.faces, upright, Faces.none())) == 0
