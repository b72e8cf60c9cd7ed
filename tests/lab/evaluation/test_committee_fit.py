from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.face_shards import pair_rows, write_faces

from monitor.analysis.pipeline import Engines
from monitor.analysis.scores import Scorer
from monitor.classifiers import DEFAULT_MODEL, committee
from monitor.classifiers.committee import load_committee
from monitor.errors import DatasetError, UsageError
from monitor.lab.datasets.faceset import FaceSet
from monitor.lab.evaluation.committee_fit import CommitteeScores, fit_fusion, measure_auc, score_sets, write_card


def made(*, count: int = 4000, second_set: int = 0) -> CommitteeScores:
    """The first member knows the label with noise, the second has another noise, the third knows nothing."""
    rng = np.random.default_rng(0)
    labels = np.arange(count + second_set) % 2
    sets = (np.arange(count + second_set) >= count).astype(np.int64)
    signal = 2.0 * labels - 1.0
    log_odds = np.stack((signal + rng.normal(0, 1.0, len(labels)), 0.5 * signal + rng.normal(0, 1.0, len(labels))))
    log_odds = np.concatenate((log_odds, rng.normal(0, 1.0, (1, len(labels)))))
    return CommitteeScores(log_odds, labels, np.arange(len(labels)) // 4, sets, ("one", "two")[: 1 + bool(second_set)])


def test_the_fit_finds_the_weights_of_independent_noise() -> None:
    fusion = fit_fusion(made())
    assert fusion.weights == pytest.approx((2.0, 1.0, 0.0), abs=0.12)
    assert fusion.bias == pytest.approx(0.0, abs=0.1)


def test_no_weight_is_negative() -> None:
    scores = made()
    against = replace(scores, log_odds=np.concatenate((scores.log_odds[:1], -scores.log_odds[1:])))
    assert fit_fusion(against).weights[1] == 0.0


def test_the_fused_score_ranks_better_than_each_member() -> None:
    (figures,) = measure_auc(made()).values()
    assert figures["fused, out of fold"] > figures["member 1"] > figures["member 2"] > figures["member 3"]


def test_a_small_set_counts_as_much_as_a_large_one() -> None:
    scores = made(count=4000, second_set=400)
    log_odds = scores.log_odds.copy()
    log_odds[0, scores.sets == 1] *= -1.0  # the first member is wrong there
    together = fit_fusion(replace(scores, log_odds=log_odds))
    assert together.weights[0] < 0.3
    assert together.weights[1] > together.weights[0]


def test_members_score_the_same_crops_and_a_card_brings_them_back(
    tmp_path: Path, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row | {"shard": "val-00.tar"} for row in pair_rows(6, split="val")]
    faces = FaceSet.open(write_faces(tmp_path / "faces", rows, landmarks=True, side=1.0))
    scorers = [engines.scorer, Scorer(engines.classifier, engines.scorer.engine)]
    done: list[int] = []
    scores = score_sets(scorers, [faces], on_done=done.append)
    assert scores.log_odds.shape == (2, 12)
    assert np.array_equal(scores.log_odds[0], scores.log_odds[1])
    assert sum(done) == 12
    fusion = fit_fusion(scores)
    card = write_card(
        tmp_path / "pair.json",
        fusion,
        models=[DEFAULT_MODEL] * 2,
        scorers=scorers,
        fitted_on="faces, split val",
        figures={},
        max_difference=3.0,
        intervals={DEFAULT_MODEL: 1.0},
    )
    assert card.fusion.weights == pytest.approx(fusion.weights, abs=1e-6)
    monkeypatch.setattr(committee, "engines_dir", lambda: tmp_path)
    assert load_committee("pair").fusion.max_difference == 3.0
    assert load_committee("pair").score_intervals == (1.0, 1.0)
    with pytest.raises(UsageError, match="exists already"):
        write_card(
            tmp_path / "pair.json",
            fusion,
            models=[DEFAULT_MODEL] * 2,
            scorers=scorers,
            fitted_on="",
            figures={},
            max_difference=None,
            intervals={},
        )


def test_a_set_of_one_class_is_refused(tmp_path: Path, engines: Engines) -> None:
    rows = [row | {"shard": "val-00.tar"} for row in pair_rows(4, split="val") if row["label"] == "0"]
    faces = FaceSet.open(write_faces(tmp_path / "faces", rows, landmarks=True, side=1.0))
    with pytest.raises(DatasetError, match="one class only"):
        score_sets([engines.scorer], [faces])
