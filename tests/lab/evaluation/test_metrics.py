import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from monitor.lab.evaluation.metrics import calibration, decisions, ranking, reliability, why_undefined

FEW = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])  # so that scores tie


@st.composite
def labelled(draw: st.DrawFn, *, both: bool = True) -> tuple[np.ndarray, np.ndarray]:
    scores = draw(st.lists(FEW | st.floats(0, 1, allow_subnormal=False), min_size=2, max_size=40))
    labels = draw(st.lists(st.integers(0, 1), min_size=len(scores), max_size=len(scores)))
    if both:
        labels[0], labels[1] = 0, 1
    return np.array(labels), np.array(scores)


@given(labelled())
def test_ranking_agrees_with_scikit_learn(data: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = data
    ours = ranking(labels, scores)
    assert ours["auc"][0] == pytest.approx(sk.roc_auc_score(labels, scores))
    assert ours["ap"][0] == pytest.approx(sk.average_precision_score(labels, scores))
    fpr, tpr, _ = sk.roc_curve(labels, scores, drop_intermediate=False)
    for name, most in (("tpr_at_1_percent_fpr", 0.01), ("tpr_at_5_percent_fpr", 0.05)):
        assert ours[name][0] == pytest.approx(tpr[fpr <= most].max())
    along = np.linspace(0, 1, 20_001)  # the equal error rate by brute force, along the line of the points
    position = np.linspace(0, 1, len(fpr))
    false, missed = np.interp(along, position, fpr), 1 - np.interp(along, position, tpr)
    assert ours["eer"][0] == pytest.approx(false[np.argmin(np.abs(false - missed))], abs=0.01)


@given(labelled(both=False), st.floats(0.05, 0.95))
def test_decisions_agree_with_scikit_learn(data: tuple[np.ndarray, np.ndarray], threshold: float) -> None:
    labels, scores = data
    accused = scores >= threshold
    ours = {name: float(value[0]) for name, value in decisions(labels, accused).items()}
    assert ours["accuracy"] == pytest.approx(sk.accuracy_score(labels, accused))
    assert ours["accuracy_over_everything"] == pytest.approx(ours["accuracy"])
    for name, theirs in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)):
        expected = theirs(labels, accused, zero_division=np.nan)
        assert ours[name] == pytest.approx(expected, nan_ok=True)
    assert calibration(labels, scores)["brier"][0] == pytest.approx(sk.brier_score_loss(labels, scores, pos_label=1))


@given(labelled(), st.integers(0, 2**32 - 1))
def test_a_weight_is_a_repetition(data: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    labels, scores = data
    times = np.random.default_rng(seed).integers(0, 4, len(labels))
    again, repeated = labels.repeat(times), scores.repeat(times)
    accused, doubtful = scores >= 0.5, scores == 0.25
    weights = times[None].astype(float)
    weighted = [
        ranking(labels, scores, weights),
        decisions(labels, accused & ~doubtful, abstained=doubtful, weights=weights),
        calibration(labels, scores, weights),
    ]
    plain = [
        ranking(again, repeated),
        decisions(again, repeated >= 0.5, abstained=repeated == 0.25),
        calibration(again, repeated),
    ]
    for some, others in zip(weighted, plain, strict=True):
        for name, value in some.items():
            assert value[0] == pytest.approx(others[name][0], nan_ok=True), name


def test_ranking_by_hand() -> None:
    labels, scores = np.array([1, 1, 0, 1, 0]), np.array([0.9, 0.8, 0.8, 0.3, 0.1])
    values = {name: float(value[0]) for name, value in ranking(labels, scores).items()}
    assert values["auc"] == pytest.approx((2 + 1.5 + 1) / 6)  # pairs won, a tie is half a win
    assert values["ap"] == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3 + 1 / 3 * 3 / 4)
    # between (0, 1/3) and (1/2, 2/3): 1/2 s = 1 - 1/3 - 1/3 s, s = 4/5
    assert values["eer"] == pytest.approx(0.4)
    assert values["tpr_at_1_percent_fpr"] == pytest.approx(1 / 3)


def test_a_perfect_and_a_reversed_ranking() -> None:
    labels = np.array([0, 0, 1, 1])
    perfect, reversed_ = (ranking(labels, np.array(scores)) for scores in ([0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1]))
    assert (perfect["auc"][0], perfect["eer"][0], perfect["tpr_at_1_percent_fpr"][0]) == (1.0, 0.0, 1.0)
    assert (reversed_["auc"][0], reversed_["eer"][0], reversed_["tpr_at_5_percent_fpr"][0]) == (0.0, 1.0, 0.0)


def test_a_false_alarm_rate_of_exactly_the_limit_is_allowed() -> None:
    labels = np.array([0, 1] + [0] * 19)  # one real of twenty stands over the fake: 5 %
    scores = np.array([0.9, 0.8] + [0.1] * 19)
    values = ranking(labels, scores)
    assert (values["tpr_at_1_percent_fpr"][0], values["tpr_at_5_percent_fpr"][0]) == (0.0, 1.0)


def test_decisions_by_hand() -> None:
    labels = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    accused = np.array([1, 1, 0, 0, 1, 0, 0, 0], np.bool_)
    abstained = np.array([0, 0, 0, 1, 0, 0, 0, 1], np.bool_)
    values = {name: float(value[0]) for name, value in decisions(labels, accused, abstained=abstained).items()}
    assert values == pytest.approx(
        {
            "accuracy": 4 / 6,
            "precision": 2 / 3,
            "recall": 2 / 3,
            "f1": 4 / 6,
            "false_alarm_rate": 1 / 3,
            "accuracy_over_everything": 4 / 8,
            "recall_over_everything": 2 / 4,
            "abstain_share": 2 / 8,
        }
    )


def test_calibration_by_hand() -> None:
    probabilities, labels = np.array([0.9, 0.92, 0.1, 0.1]), np.array([1, 0, 0, 0])
    # one bin holds .9 and .92 (mean .91, half fake), one both .1 (none fake)
    values = calibration(labels, probabilities)
    assert values["ece"][0] == pytest.approx((2 * 0.41 + 2 * 0.1) / 4)
    assert values["brier"][0] == pytest.approx((0.01 + 0.8464 + 0.01 + 0.01) / 4)


def test_the_reliability_curve_accounts_for_every_score() -> None:
    labels, probabilities = np.array([0, 1, 1, 0]), np.array([0.0, 1.0, 1 / 15, 0.5])
    bins = reliability(labels, probabilities)
    assert [one.count for one in bins] == [2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1]
    assert bins[0].fake_share == 0.5, "a bin holds its upper edge, and the first one zero"
    assert bins[0].mean_probability == pytest.approx(1 / 30)
    assert bins[3].mean_probability is bins[3].fake_share is None


@pytest.mark.parametrize(
    ("labels", "why"), [([], "no rows"), ([1, 1], "no reals"), ([0, 0], "no fakes")], ids=["none", "fakes", "reals"]
)
def test_one_class_has_no_ranking_and_says_why(labels: list[int], why: str) -> None:
    truth, scores = np.array(labels, np.int64), np.linspace(0, 1, len(labels))
    for name, value in ranking(truth, scores).items():
        assert np.isnan(value[0])
        assert why in why_undefined(name, truth)


@pytest.mark.parametrize("labels", [[], [1], [0], [0, 1]])
def test_what_is_undefined_is_nan_without_a_warning_and_has_a_reason(labels: list[int]) -> None:
    truth, nothing = np.array(labels, np.int64), np.zeros(len(labels))
    silent = np.ones(len(labels), np.bool_)
    for values in (
        ranking(truth, nothing),
        calibration(truth, nothing),
        decisions(truth, silent & False, abstained=silent),
    ):
        for name, value in values.items():
            assert value.shape == (1,)
            assert math.isfinite(value[0]) or why_undefined(name, truth)


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="no number"):
        ranking(np.array([0, 1]), np.array([0.5, np.nan]))
