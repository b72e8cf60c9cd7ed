"""A classifier that runs less often than the others: its last score holds, and moves with the face."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from monitor.analysis.paced_scorer import PacedScorer
from monitor.classifiers.crops import crop_squares
from monitor.classifiers.model_card import CropPolicy
from monitor.types import ClassifierScores, Faces, Floats, Qualities, Reason, Scores, TrackedFaces

CROP = CropPolicy(side_over_box_height=0.85, centre_below_box_centre_over_box_height=0.06)
PICTURE = np.zeros((4, 4, 3), np.uint8)


class CountingScorer:
    """Counts its calls; the log-odds of a face are the number of the call, so a repeated score shows."""

    classifier = SimpleNamespace(card=SimpleNamespace(id="slow-1", crop=CROP))

    def __init__(self) -> None:
        self.calls: list[list[int]] = []  # the tracks of each call that scored any
        self.fails = False

    def score(
        self, _: object, tracked: TrackedFaces, qualities: Qualities, *, rows: Sequence[int], engine: object
    ) -> Scores:
        usable = [row for row in rows if qualities.weights[row] > 0]
        ids = tracked.track_ids[usable]
        rejected = {int(tracked.track_ids[row]): qualities.reasons[row] for row in rows if row not in usable}
        if usable:
            self.calls.append(ids.tolist())
        if self.fails or not usable:
            return Scores.none(rejected | dict.fromkeys(ids.tolist(), (Reason.ENGINE_DEGRADED,)))
        values = np.full(len(usable), len(self.calls), np.float32)
        return Scores(
            track_ids=ids,
            log_odds=values,
            evidence_maps=np.broadcast_to(values[:, None, None], (len(usable), 3, 3)).copy(),
            crops=crop_squares(tracked.faces.boxes[usable], policy=CROP),
            weights=qualities.weights[usable],
            rejected=rejected,
            parts=(ClassifierScores("slow-1", values / 2, values),),
        )


def tracked(*tracks: int, at: float = 0.0) -> TrackedFaces:
    n = len(tracks)
    boxes = np.array([[at, 0, at + 80, 100]] * n, np.float32).reshape(n, 4)
    faces = Faces(boxes=boxes, probabilities=np.ones(n, np.float32), landmarks=np.zeros((n, 5, 2), np.float32))
    return TrackedFaces(faces=faces, track_ids=np.array(tracks, np.int64))


def qualities(*weights: float) -> Qualities:
    zeros: Floats = np.zeros(len(weights), np.float32)
    reasons = tuple(() if weight else (Reason.TOO_DARK,) for weight in weights)
    return Qualities(zeros, zeros, zeros, zeros, zeros, zeros, np.array(weights, np.float32), reasons)


@pytest.fixture
def slow() -> CountingScorer:
    return CountingScorer()


def score(paced: PacedScorer, faces: TrackedFaces, measured: Qualities, *, at: float) -> Scores:
    engine: Any = None
    return paced.score(PICTURE, faces, measured, rows=range(len(faces)), engine=engine, media_time=at)


def test_it_runs_once_per_interval_and_face_and_its_last_score_holds(slow: CountingScorer) -> None:
    paced = PacedScorer(slow, every=1.0)  # type: ignore[arg-type]
    found = [score(paced, tracked(1), qualities(0.5), at=0.2 * slot) for slot in range(11)]
    assert slow.calls == [[1], [1], [1]]
    assert [float(scores.log_odds[0]) for scores in found] == [1.0] * 5 + [2.0] * 5 + [3.0]
    assert all(scores.parts[0].classifier == "slow-1" for scores in found)
    assert all(float(scores.parts[0].logits[0]) == float(scores.log_odds[0]) / 2 for scores in found)


def test_a_new_face_is_scored_at_once_beside_one_that_holds(slow: CountingScorer) -> None:
    paced = PacedScorer(slow, every=1.0)  # type: ignore[arg-type]
    score(paced, tracked(1), qualities(0.5), at=0.0)
    both = score(paced, tracked(1, 2), qualities(0.5, 0.5), at=0.2)
    assert slow.calls == [[1], [2]]
    assert dict(zip(both.track_ids.tolist(), both.log_odds.tolist(), strict=True)) == {1: 1.0, 2: 2.0}


def test_a_score_that_holds_has_the_current_square_and_quality(slow: CountingScorer) -> None:
    paced = PacedScorer(slow, every=1.0)  # type: ignore[arg-type]
    score(paced, tracked(1), qualities(0.5), at=0.0)
    moved = tracked(1, at=300.0)
    held = score(paced, moved, qualities(0.25), at=0.2)
    np.testing.assert_array_equal(held.crops, crop_squares(moved.faces.boxes, policy=CROP))
    assert held.weights.tolist() == [0.25]
    assert held.evidence_maps.mean() == 1.0


def test_a_face_that_cannot_be_used_now_is_rejected_though_a_score_is_kept(slow: CountingScorer) -> None:
    paced = PacedScorer(slow, every=1.0)  # type: ignore[arg-type]
    score(paced, tracked(1), qualities(0.5), at=0.0)
    dark = score(paced, tracked(1), qualities(0.0), at=0.2)
    assert len(dark) == 0
    assert dark.rejected == {1: (Reason.TOO_DARK,)}


def test_a_failed_score_is_tried_again_at_the_next_call(slow: CountingScorer) -> None:
    paced = PacedScorer(slow, every=1.0)  # type: ignore[arg-type]
    slow.fails = True
    assert score(paced, tracked(1), qualities(0.5), at=0.0).rejected == {1: (Reason.ENGINE_DEGRADED,)}
    slow.fails = False
    assert len(score(paced, tracked(1), qualities(0.5), at=0.2)) == 1


def test_an_ended_track_is_forgotten(slow: CountingScorer) -> None:
    paced = PacedScorer(slow, every=1.0)  # type: ignore[arg-type]
    score(paced, tracked(1), qualities(0.5), at=0.0)
    paced.forget((1,))
    score(paced, tracked(1), qualities(0.5), at=0.2)
    assert slow.calls == [[1], [1]]


def test_without_an_interval_each_call_scores(slow: CountingScorer) -> None:
    paced = PacedScorer(slow, every=0.0)  # type: ignore[arg-type]
    for slot in range(3):
        score(paced, tracked(1), qualities(0.5), at=0.2 * slot)
    assert slow.calls == [[1]] * 3
