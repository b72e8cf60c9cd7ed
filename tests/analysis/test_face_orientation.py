"""Faces on their side or upside down are found, judged as if upright, and drawn where they are."""

from collections.abc import Sequence

import numpy as np
import pytest
from support.footage import posed
from support.observations import frame as made

from monitor.analysis.face_orientation import FaceOrientation
from monitor.analysis.pipeline import Engines, Pipeline
from monitor.faces.quarter_turns import turn_of
from monitor.settings import Settings
from monitor.types import Faces, Floats, HintKind, Observation, Pixels, Reason

FPS = 25
UPRIGHT = posed((260, 230, 180))
TURNS = pytest.mark.parametrize("turns", [1, 2, 3])


def turned(pixels: Pixels, turns: int) -> Pixels:
    """A picture that ``turns`` quarter turns counter-clockwise set upright."""
    return np.ascontiguousarray(np.rot90(pixels, -turns))


def run(pipeline: Pipeline, pixels: Pixels, *, start: float = 0.0, seconds: float = 2.0) -> list[Observation]:
    """The observations of a picture that is shown for some seconds."""
    first = round(start * FPS)
    indices = range(first, first + round(seconds * FPS))
    return [pipeline.step(made(pixels, index=index, media_time=index / FPS)) for index in indices]


def kinds(observations: Sequence[Observation]) -> list[tuple[HintKind, bool]]:
    return [(hint.kind, hint.end is not None) for one in observations for hint in one.hint_changes]


@TURNS
def test_a_face_in_a_turned_stream_is_scored_like_the_upright_one(
    engines: Engines, settings: Settings, turns: int
) -> None:
    expected = run(Pipeline(engines, settings), UPRIGHT)
    seen = run(Pipeline(engines, settings), turned(UPRIGHT, turns), seconds=6.0)
    wanted, found = ([one for one in given if len(one.scores)][-1] for given in (expected, seen))
    assert found.scores.log_odds == pytest.approx(wanted.scores.log_odds, abs=0.35)
    back = turn_of(UPRIGHT, -turns % 4)
    assert found.tracked.faces.boxes == pytest.approx(back.turn_boxes(wanted.tracked.faces.boxes), abs=6)
    assert found.scores.crops == pytest.approx(back.turn_boxes(wanted.scores.crops), abs=6)
    rotated = np.rot90(wanted.scores.evidence_maps, -turns, axes=(1, 2))
    assert np.corrcoef(found.scores.evidence_maps.ravel(), rotated.ravel())[0, 1] > 0.9


@TURNS
def test_a_turned_face_is_never_scored_as_it_lies(engines: Engines, settings: Settings, turns: int) -> None:
    pipeline = Pipeline(engines, settings)
    for one in run(pipeline, turned(UPRIGHT, turns), seconds=6.0):
        if len(one.scores):
            assert pipeline._orientation.turns == turns
    assert pipeline._orientation.turns == turns


def test_a_turned_stream_gives_a_hint_until_it_is_upright(engines: Engines, settings: Settings) -> None:
    pipeline = Pipeline(engines, settings)
    seen = run(pipeline, turned(UPRIGHT, 2), seconds=6.0)
    assert kinds(seen) == [(HintKind.TURNED_PICTURE, False)]
    (hint,) = seen[-1].hints
    assert "upside down" in hint.in_words
    seen = run(pipeline, UPRIGHT, start=6.0, seconds=6.0)
    assert kinds(seen) == [(HintKind.TURNED_PICTURE, True)]
    assert any(len(one.scores) for one in seen)


def test_an_upright_stream_is_never_turned(engines: Engines, settings: Settings) -> None:
    pipeline = Pipeline(engines, settings)
    assert kinds(run(pipeline, UPRIGHT, seconds=3.0)) == []
    assert pipeline._orientation.turns == 0


def test_a_face_on_its_side_among_upright_ones_is_not_judged(engines: Engines, settings: Settings) -> None:
    lying = turned(posed((240, 240, 150), width=480), 1)
    pixels = np.concatenate((posed((160, 240, 150), (480, 240, 150)), lying), axis=1)
    pipeline = Pipeline(engines, settings)
    seen = run(pipeline, pixels, seconds=3.0)
    boxes = seen[-1].tracked.faces.boxes
    ids = dict(zip(seen[-1].tracked.track_ids.tolist(), (boxes[:, 0] > 640).tolist(), strict=True))
    assert sorted(ids.values()) == [False, False, True], "the lying one is found too"
    rejected = {track: why for one in seen for track, why in one.scores.rejected.items()}
    scored = {track for one in seen for track in one.scores.track_ids.tolist()}
    assert scored == {track for track, lies in ids.items() if not lies}
    (lying_track,) = (track for track, lies in ids.items() if lies)
    assert Reason.TILTED_POSE in rejected[lying_track]
    assert pipeline._orientation.turns == 0


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_each_still_picture_has_its_own_orientation(engines: Engines, settings: Settings, turns: int) -> None:
    pipeline = Pipeline(engines, settings, still=True)
    observation = pipeline.step(made(turned(UPRIGHT, turns)))
    assert len(observation.scores) == 1
    assert [hint.kind for hint in observation.hints] == [HintKind.TURNED_PICTURE] * bool(turns)
    upright = pipeline.step(made(UPRIGHT, index=1, media_time=2.0))
    assert len(upright.scores) == 1
    assert HintKind.TURNED_PICTURE not in [hint.kind for hint in upright.hints]


class OneWayUp:
    """Finds one certain face, but only in pictures with this number of rows."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self.searches: list[int] = []

    def detect(self, pixels: Pixels) -> Faces:
        self.searches.append(len(pixels))
        return self.refine(pixels, np.array([(10, 10, 70, 80)], np.float32)) if self._found(pixels) else Faces.none()

    def refine(self, pixels: Pixels, boxes: Floats) -> Faces:
        eyes_and_mouth = np.array([(20, 30), (50, 30), (35, 45), (25, 60), (45, 60)], np.float32)
        probabilities = np.full(len(boxes), 0.99 if self._found(pixels) else 0.1, np.float32)
        return Faces(boxes=boxes, probabilities=probabilities, landmarks=np.stack([eyes_and_mouth] * len(boxes)))

    def _found(self, pixels: Pixels) -> bool:
        return len(pixels) == self._rows


def test_one_search_of_five_looks_at_another_turn_while_nobody_is_found(settings: Settings) -> None:
    detector, pixels = OneWayUp(0), np.zeros((90, 160, 3), np.uint8)
    orientation = FaceOrientation(detector, settings)
    for search in range(20):
        assert len(orientation.detect(pixels, search * 0.2, following=False)) == 0
    assert detector.searches == [*[90] * 4, 160, *[90] * 4, 90, *[90] * 4, 160, *[90] * 4, 160]


def test_nobody_is_missing_while_a_face_is_followed(settings: Settings) -> None:
    detector, pixels = OneWayUp(160), np.zeros((90, 160, 3), np.uint8)
    orientation = FaceOrientation(detector, settings)
    for search in range(20):
        orientation.detect(pixels, search * 0.2, following=True)
    assert set(detector.searches) == {90}


def test_a_certain_face_in_another_turn_turns_the_picture(settings: Settings) -> None:
    detector, pixels = OneWayUp(160), np.zeros((90, 160, 3), np.uint8)
    orientation = FaceOrientation(detector, settings)
    found = [len(orientation.detect(pixels, search * 0.2, following=False)) for search in range(6)]
    assert found == [0, 0, 0, 0, 1, 1]
    assert orientation.turns == 1
    assert orientation.hint is None, "not yet for some time"
    orientation.detect(pixels, 2.0, following=True)
    assert orientation.hint is not None
    assert "90 degrees clockwise" in orientation.hint.detail


def test_a_small_face_in_another_turn_is_not_certain(settings: Settings) -> None:
    strict = settings.model_copy(update={"quality": settings.quality.model_copy(update={"min_size": 100.0})})
    orientation = FaceOrientation(OneWayUp(160), strict)
    for search in range(20):
        assert len(orientation.detect(np.zeros((90, 160, 3), np.uint8), search * 0.2, following=False)) == 0
    assert orientation.turns == 0
