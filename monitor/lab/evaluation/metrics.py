"""Ranking, decisions and calibration of labelled scores, for many resamples at once.

Every statistic takes weights ``(B, N)``, one row for each resample (see ``monitor.lab.evaluation.bootstrap``),
and gives ``(B,)`` values, NaN where it is undefined. Labels are 1 for fake, 0 for real; a higher score is more
fake. scikit-learn computes the same for one row of weights at a time, which takes 150 times as long for 1000
resamples of 200 rows. So it serves for single curves, and as the reference in the tests.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

ECE_BINS = 15
FORCED_AT = 0.5  # threshold of P(fake) for a forced decision; "fake" at and above it
RANKING = ("auc", "ap", "eer", "tpr_at_1_percent_fpr", "tpr_at_5_percent_fpr")
DECISIONS = (
    "accuracy",  # right / decided
    "precision",  # fakes / accused
    "recall",  # accused / decided fakes
    "f1",
    "false_alarm_rate",  # accused / decided reals
    "accuracy_over_everything",  # right / all: an abstention counts as an error
    "recall_over_everything",  # accused / all fakes
    "abstain_share",
)
CALIBRATION = ("ece", "brier")
INFLATED = ("ece",)  # rises with noise, so that resamples exceed the data


def ranking(labels: Integers, scores: Doubles, weights: Doubles | None = None) -> dict[str, Doubles]:
    """``RANKING`` by name, (B,) each; NaN unless both classes are present.

    ``auc`` is the area under the ROC curve; ties count half. ``ap`` is the mean of the precision over the steps of
    recall, without interpolation. ``eer`` is the rate at which misses and false alarms are equal, interpolated
    linearly between thresholds. ``tpr_at_...`` is the highest rate at a threshold, without interpolation.

    Args:
        labels: (N,) 1 fake, 0 real.
        scores: (N,) finite.
        weights: (B, N) >= 0; default: ones, B = 1.

    Raises:
        ValueError: a score is not a finite number.
    """
    labels, scores = np.asarray(labels), np.asarray(scores, np.float64)
    if not np.isfinite(scores).all():
        raise ValueError("a score is no number; leave such rows out or give them a value")
    weights = np.ones((1, len(scores))) if weights is None else weights
    hits, alarms = (_accused(labels == label, scores, weights) for label in (1, 0))
    tpr, fpr = _ratio(hits, hits[:, -1:]), _ratio(alarms, alarms[:, -1:])
    both = np.isfinite(tpr[:, -1]) & np.isfinite(fpr[:, -1])
    values = {
        "auc": (np.diff(fpr) * (tpr[:, 1:] + tpr[:, :-1]) / 2).sum(axis=1),
        "ap": (np.diff(tpr) * np.nan_to_num(_ratio(hits, hits + alarms)[:, 1:])).sum(axis=1),
        "eer": _equal_error_rate(tpr, fpr),
        "tpr_at_1_percent_fpr": _reached(tpr, fpr, most=0.01),
        "tpr_at_5_percent_fpr": _reached(tpr, fpr, most=0.05),
    }
    return {name: np.where(both, value, np.nan) for name, value in values.items()}


def decisions(
    labels: Integers, accused: Flags, *, abstained: Flags | None = None, weights: Doubles | None = None
) -> dict[str, Doubles]:
    """``DECISIONS`` by name, (B,) each; NaN where the denominator is 0.

    Args:
        labels: (N,) 1 fake, 0 real.
        accused: (N,) called fake.
        abstained: (N,) not decided; none by default.
        weights: (B, N) >= 0; default: ones, B = 1.
    """
    fake = np.asarray(labels) == 1
    abstained = np.zeros(len(fake), np.bool_) if abstained is None else abstained
    weights = np.ones((1, len(fake))) if weights is None else weights
    decided = ~abstained

    def count(rows: Flags) -> Doubles:
        return np.asarray(weights @ rows.astype(np.float64))

    hits, misses = count(fake & accused & decided), count(fake & ~accused & decided)
    alarms, acquittals = count(~fake & accused & decided), count(~fake & ~accused & decided)
    everything = weights.sum(axis=1)
    return {
        "accuracy": _ratio(hits + acquittals, hits + misses + alarms + acquittals),
        "precision": _ratio(hits, hits + alarms),
        "recall": _ratio(hits, hits + misses),
        "f1": _ratio(2 * hits, 2 * hits + alarms + misses),
        "false_alarm_rate": _ratio(alarms, alarms + acquittals),
        "accuracy_over_everything": _ratio(hits + acquittals, everything),
        "recall_over_everything": _ratio(hits, count(fake)),
        "abstain_share": _ratio(count(abstained), everything),
    }


def calibration(labels: Integers, probabilities: Doubles, weights: Doubles | None = None) -> dict[str, Doubles]:
    """``CALIBRATION`` by name, (B,) each; NaN without rows.

    ``ece`` is the expected calibration error of P(fake) in 15 bins of equal width (Naeini et al. 2015):
    the mean over bins, weighted by their rows, of the absolute difference between the share of fakes and the
    mean P(fake). ``brier`` is the mean squared error of P(fake).
    """
    labels, probabilities = np.asarray(labels, np.float64), np.asarray(probabilities, np.float64)
    weights = np.ones((1, len(labels))) if weights is None else weights
    bins = reliability_bins(probabilities)[:, None] == np.arange(ECE_BINS)
    gaps = weights @ (bins * (labels - probabilities)[:, None])  # (B, bins)
    total = weights.sum(axis=1)
    return {
        "ece": _ratio(np.abs(gaps).sum(axis=1), total),
        "brier": _ratio(weights @ (labels - probabilities) ** 2, total),
    }


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The scores between two probabilities."""

    low: float  # exclusive, except for 0
    high: float  # inclusive
    count: int
    mean_probability: float | None  # None if the bin is empty
    fake_share: float | None


def reliability(labels: Integers, probabilities: Doubles) -> tuple[ReliabilityBin, ...]:
    """The reliability curve, all 15 bins."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, np.float64)
    bins = reliability_bins(probabilities)
    found = []
    for number in range(ECE_BINS):
        rows = bins == number
        count = int(rows.sum())
        means = (float(probabilities[rows].mean()), float(labels[rows].mean())) if count else (None, None)
        found.append(ReliabilityBin(number / ECE_BINS, (number + 1) / ECE_BINS, count, *means))
    return tuple(found)


def reliability_bins(probabilities: Doubles) -> Integers:
    """Bin number, 0..14, of each probability (N,); a bin includes its upper edge."""
    numbers: Integers = np.clip(np.ceil(np.asarray(probabilities) * ECE_BINS) - 1, 0, ECE_BINS - 1).astype(np.int64)
    return numbers


def why_undefined(name: str, labels: Integers) -> str:
    """The reason why a statistic has no value on these rows."""
    labels = np.asarray(labels)
    if not len(labels):
        return "there are no rows"
    fakes = int((labels == 1).sum())
    if name in RANKING or name == "recall_over_everything":
        if fakes == 0:
            return "there are no fakes"
        if fakes == len(labels):
            return "there are no reals"
    return {
        "precision": "nothing was accused",
        "recall": "no fake was decided",
        "false_alarm_rate": "no real was decided",
        "f1": "no fake was decided, and nothing accused",
        "accuracy": "nothing was decided",
    }.get(name, "it is undefined on these rows")


def _accused(rows: Flags, scores: Doubles, weights: Doubles) -> Doubles:
    """(B, T) weight of ``rows`` at or above each threshold, from none to all; tied scores share a threshold."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # of each run of equal scores
    summed = np.cumsum(weights[:, order] * rows[order], axis=1)[:, last]
    return np.concatenate((np.zeros((len(weights), 1)), summed), axis=1)


def _ratio(numerator: Doubles, denominator: Doubles) -> Doubles:
    """Quotients; NaN where the denominator is 0."""
    quotient = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient


def _equal_error_rate(tpr: Doubles, fpr: Doubles) -> Doubles:
    """The rate where ``fpr`` equals ``1 - tpr``, interpolated linearly between thresholds."""
    surplus = np.nan_to_num(fpr + tpr - 1.0)  # rises from -1 to 1
    after = np.clip((surplus >= 0.0).argmax(axis=1), 1, None) if surplus.shape[1] > 1 else np.zeros(len(tpr), np.int64)
    rows = np.arange(len(tpr))
    low, high = surplus[rows, after - 1], surplus[rows, after]
    share = _ratio(-low, high - low)
    rate: Doubles = fpr[rows, after - 1] + share * (fpr[rows, after] - fpr[rows, after - 1])
    return rate


def _reached(tpr: Doubles, fpr: Doubles, *, most: float) -> Doubles:
    """The highest ``tpr`` at an ``fpr`` of at most ``most``; both are nondecreasing along a row."""
    rate: Doubles = np.where(fpr <= most + 1e-12, tpr, 0.0).max(axis=1)
    return rate
