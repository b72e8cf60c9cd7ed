import numpy as np
import pytest

from monitor.classifiers.fusion import Fusion
from monitor.types import ClassifierScores, Floats, Reason, Scores

SQUARE = (100.0, 50.0, 180.0, 130.0)


def part(
    log_odds: dict[int, float],
    *,
    name: str = "one",
    maps: Floats | None = None,
    square: tuple[float, float, float, float] = SQUARE,
    rejected: dict[int, tuple[Reason, ...]] | None = None,
) -> Scores:
    n, values = len(log_odds), np.array(list(log_odds.values()), np.float32)
    return Scores(
        track_ids=np.array(list(log_odds), np.int64),
        log_odds=values,
        evidence_maps=np.broadcast_to(values[:, None, None], (n, 3, 3)).copy() if maps is None else maps,
        crops=np.array([square] * n, np.float32).reshape(n, 4),
        weights=np.full(n, 0.5, np.float32),
        rejected=rejected or {},
        parts=(ClassifierScores(name, values / 2, values),),
    )


def test_a_single_classifier_passes_unchanged() -> None:
    alone = part({1: 2.0})
    assert Fusion().fuse([alone]) is alone


def test_log_odds_are_summed_with_weights_and_the_parts_are_kept() -> None:
    fused = Fusion((0.5, 1.5), bias=-0.25).fuse([part({1: 2.0, 2: -1.0}), part({2: 0.5, 1: 1.0}, name="two")])
    assert fused.track_ids.tolist() == [1, 2]
    assert fused.log_odds.tolist() == pytest.approx([0.5 * 2 + 1.5 * 1 - 0.25, -0.5 + 0.75 - 0.25])
    assert [(one.classifier, one.log_odds.tolist()) for one in fused.parts] == [("one", [2, -1]), ("two", [1, 0.5])]


@pytest.mark.parametrize("reason", [Reason.ENGINE_DEGRADED, Reason.TOO_DARK])
def test_a_face_rejected_by_one_classifier_is_rejected(reason: Reason) -> None:
    fused = Fusion((1.0, 1.0)).fuse([part({1: 2.0}), part({}, rejected={1: (reason,)})])
    assert len(fused) == 0
    assert fused.rejected == {1: (reason,)}


def test_a_disagreement_keeps_both_scores_for_the_verdict() -> None:
    fusion = Fusion((1.0, 1.0), max_difference=3.0)
    fused = fusion.fuse([part({1: 2.0, 2: 2.0}), part({1: -1.5, 2: 1.0})])
    assert fused.log_odds.tolist() == [0.5, 3.0]
    assert [one.log_odds.tolist() for one in fused.parts] == [[2.0, 2.0], [-1.5, 1.0]]
    _, agree = fusion.combine(np.array([[2.0, 2.0], [-1.5, 1.0]], np.float32))
    assert agree.tolist() == [False, True]


@pytest.mark.parametrize("wide", [SQUARE, (80.0, 40.0, 200.0, 160.0)])
def test_the_mean_of_the_fused_map_is_the_weighted_mean_of_the_maps(wide: tuple[float, float, float, float]) -> None:
    rng = np.random.default_rng(1)
    maps = rng.normal(size=(2, 5, 5)).astype(np.float32), rng.normal(size=(2, 3, 3)).astype(np.float32)
    parts = [part({1: 1.0, 2: 0.5}, maps=maps[0]), part({1: 0.2, 2: 0.1}, maps=maps[1], square=wide)]
    fused = Fusion((0.7, 1.2)).fuse(parts)
    assert fused.crops.tolist() == [list(wide)] * 2
    expected = 0.7 * maps[0].mean((1, 2)) + 1.2 * maps[1].mean((1, 2))
    assert fused.evidence_maps.mean((1, 2)) == pytest.approx(expected, abs=1e-5)


def test_evidence_keeps_its_position() -> None:
    """A mark in the upper left cell of the tight map is in the upper left of the tight square in the fused map, too."""
    tight = np.zeros((1, 4, 4), np.float32)
    tight[0, 0, 0] = 16.0
    wide = (60.0, 10.0, 220.0, 170.0)
    fused = Fusion((1.0, 1.0)).fuse(
        [part({1: 1.0}, maps=tight), part({1: 0.0}, maps=np.zeros((1, 8, 8), np.float32), square=wide)]
    )
    (grid,) = fused.evidence_maps
    assert grid.shape == (8, 8)
    assert np.argwhere(grid > 0).tolist() == [[2, 2]]
    assert grid.mean() == pytest.approx(1.0)
