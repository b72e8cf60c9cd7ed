from collections.abc import Mapping

import numpy as np
import pytest

from monitor.lab.evaluation.bootstrap import estimate
from monitor.lab.evaluation.metrics import calibration, decisions, ranking


def mean_of(values: np.ndarray):
    def statistic(weights: np.ndarray) -> Mapping[str, np.ndarray]:
        return {"mean": (weights @ values) / np.maximum(weights.sum(axis=1), 1)}

    return statistic


def coverage(*, resample_rows: bool) -> float:
    """How often the interval holds the true mean 0, of 200 data sets of 60 groups of 5 rows that err together."""
    random, held = np.random.default_rng(11), 0
    for seed in range(200):
        rows = (random.normal(size=60)[:, None] + 0.3 * random.normal(size=(60, 5))).ravel()
        groups = np.arange(300) if resample_rows else np.arange(60).repeat(5)
        found = estimate(mean_of(rows), labels=rows, groups=groups, resamples=250, seed=seed)["mean"]
        held += found.low <= 0.0 <= found.high
    return held / 200


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    # 95 % +- 2.5 standard errors of 200 simulations; the percentile interval of 60 groups is a little short
    assert 0.905 <= coverage(resample_rows=False) <= 0.99


def test_rows_instead_of_groups_would_promise_too_much() -> None:
    assert coverage(resample_rows=True) < 0.75


def test_the_value_is_that_of_the_data_and_the_seed_decides_the_interval() -> None:
    random = np.random.default_rng(3)
    labels, scores = random.integers(0, 2, 200), random.normal(size=200)
    groups = np.arange(200) // 4

    def found(seed: int):
        return estimate(lambda weights: ranking(labels, scores, weights), labels=labels, groups=groups, seed=seed)

    assert found(1) == found(1)
    assert found(1)["auc"].low != found(2)["auc"].low
    assert found(1)["auc"].value == pytest.approx(ranking(labels, scores)["auc"][0])
    assert (found(1)["auc"].n, found(1)["auc"].groups) == (200, 50)
    for one in found(1).values():
        assert one.low <= one.value <= one.high


def test_batches_of_resamples_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values, groups = np.arange(12.0), np.arange(12) // 3
    whole = estimate(mean_of(values), labels=values, groups=groups, resamples=500)
    monkeypatch.setattr("monitor.lab.evaluation.bootstrap._CELLS", 12 * 7)
    assert estimate(mean_of(values), labels=values, groups=groups, resamples=500) == whole


def test_resamples_without_a_class_are_left_out() -> None:
    labels = np.array([1, 0, 0, 0])  # a third of the resamples draw no fake, a few no real
    found = estimate(
        lambda weights: ranking(labels, np.array([0.9, 0.1, 0.2, 0.95]), weights), labels=labels, groups=np.arange(4)
    )["auc"]
    assert found.value == pytest.approx(2 / 3)
    assert 0.0 <= found.low <= found.high <= 1.0


def test_what_is_undefined_says_why() -> None:
    def values(labels: np.ndarray, groups: np.ndarray):
        accused = labels == 2
        return estimate(
            lambda weights: (
                decisions(labels, accused, weights=weights) | ranking(labels, np.zeros(len(labels)), weights)
            ),
            labels=labels,
            groups=groups,
        )

    reals = values(np.zeros(5, np.int64), np.arange(5))
    assert (reals["auc"].value, reals["auc"].low, reals["auc"].why) == (None, None, "there are no fakes")
    assert reals["precision"].why == "nothing was accused"
    nothing = values(np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert nothing["accuracy"].value is None
    assert nothing["accuracy"].why == "there are no rows"


def test_one_group_has_no_interval() -> None:
    found = estimate(mean_of(np.arange(3.0)), labels=np.zeros(3), groups=np.zeros(3))["mean"]
    assert (found.value, found.low, found.high) == (1.0, None, None)
    assert "one group" in found.why


def test_a_rarely_defined_statistic_has_no_interval() -> None:
    def seldom(weights: np.ndarray) -> Mapping[str, np.ndarray]:
        return {"seldom": np.where((weights == 1).all(axis=1), 1.0, np.nan)}

    found = estimate(seldom, labels=np.zeros(6), groups=np.arange(6))["seldom"]
    assert (found.value, found.low) == (1.0, None)
    assert "most resamples" in found.why


def test_agreement_of_all_resamples_is_no_certainty() -> None:
    found = estimate(mean_of(np.zeros(3)), labels=np.zeros(3), groups=np.arange(3))["mean"]
    assert (found.value, found.low, found.high) == (0.0, None, None)
    assert "nearly all resamples agree" in found.why


def test_the_interval_of_a_calibration_error_holds_the_error_itself() -> None:
    """Resampling adds noise, and noise adds to the error: unmoved, the whole interval lies above a small one."""
    rng = np.random.default_rng(3)
    probabilities = rng.random(400)
    labels = (rng.random(400) < probabilities).astype(np.int64)

    def statistics(weights: np.ndarray) -> dict[str, np.ndarray]:
        return calibration(labels, probabilities, weights)

    found = estimate(statistics, labels=labels, groups=np.arange(400), resamples=400)["ece"]
    raw = statistics(np.random.default_rng(0).multinomial(400, np.full(400, 1 / 400), size=400).astype(float))["ece"]
    assert np.quantile(raw, 0.1) > found.value, "or there would be nothing to mend"
    assert 0 <= found.low < found.value < found.high
