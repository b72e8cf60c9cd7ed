import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from monitor.errors import DatasetError
from monitor.lab.evaluation.platt import fit_platt


def drawn(n: int, *, scale: float, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels for which calibrated log-odds are ``scale * logit + shift``."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, n)
    return logits, (rng.random(n) < 1 / (1 + np.exp(-(scale * logits + shift)))).astype(int)


def test_it_finds_scale_and_shift_of_balanced_classes() -> None:
    logits, labels = drawn(200_000, scale=0.7, shift=0.0, seed=1)
    scale, shift = fit_platt(logits, labels)
    assert scale == pytest.approx(0.7, abs=0.02)
    assert shift == pytest.approx(0.0, abs=0.02)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.3, 2), st.floats(-1, 1), st.integers(0, 10**6))
def test_the_loss_on_the_smoothed_targets_has_no_slope_at_the_fit(scale: float, shift: float, seed: int) -> None:
    logits, labels = drawn(2000, scale=scale, shift=shift, seed=seed)
    fakes, reals = labels.sum(), (1 - labels).sum()
    targets = np.where(labels == 1, (fakes + 1) / (fakes + 2), 1 / (reals + 2))
    weights = np.where(labels == 1, 0.5 / fakes, 0.5 / reals)
    found_scale, found_shift = fit_platt(logits, labels)
    slopes = weights * (expit(found_scale * logits + found_shift) - targets)  # convex: without slope it is the minimum
    assert slopes.sum() == pytest.approx(0.0, abs=1e-8)
    assert slopes @ logits == pytest.approx(0.0, abs=1e-8)


def test_many_more_of_one_class_change_nothing() -> None:
    logits, labels = drawn(100_000, scale=1.0, shift=0.0, seed=2)
    keep = (labels == 1) | (np.arange(len(labels)) % 10 == 0)
    assert fit_platt(logits[keep], labels[keep]) == pytest.approx(fit_platt(logits, labels), abs=0.06)


def test_a_perfect_separation_stays_finite() -> None:
    scale, shift = fit_platt(np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0, 0, 1, 1]))
    assert 0 < scale < 20
    assert abs(shift) < 1e-6


@pytest.mark.parametrize("labels", [[0, 1, 0, 1], [1, 1, 0, 0]])
def test_a_detector_that_knows_nothing_or_less_becomes_flat_never_inverted(labels: list[int]) -> None:
    scale, shift = fit_platt(np.array([5.0, 5.0, 5.0, 5.0]), np.array(labels))
    assert scale > 0
    inverted = fit_platt(np.array([-2.0, -1.0, 1.0, 2.0]), np.array([1, 1, 0, 0]))
    assert inverted == pytest.approx((1e-3, 0.0))
    assert (scale, shift) == pytest.approx((1e-3, -5e-3))


@pytest.mark.parametrize(
    ("logits", "labels", "sentence"),
    [
        ([1.0, 2.0], [1, 1], "there are 0 real and 2 fake"),
        ([1.0, 2.0], [0, 0], "there are 2 real and 0 fake"),
        ([1.0, np.nan], [0, 1], "no number"),
    ],
)
def test_what_cannot_be_calibrated_is_one_sentence(logits: list[float], labels: list[int], sentence: str) -> None:
    with pytest.raises(DatasetError, match=sentence):
        fit_platt(np.array(logits), np.array(labels))
