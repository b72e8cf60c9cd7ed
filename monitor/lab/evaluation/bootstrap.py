"""Statistics with 95 % intervals: the percentile bootstrap over groups (Efron & Tibshirani 1993, chapter 13).

Errors are correlated between faces of one video and between videos made from one original. So whole groups are
drawn with replacement, never single rows. A resample is a row of weights: how often each row's group was drawn. A
statistic is computed for many resamples at once.

``scipy.stats.bootstrap`` could draw the groups, which takes four lines here. But its intervals include resamples in
which a statistic is undefined, and they cannot be shifted for a statistic that noise inflates.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from monitor.lab.evaluation.metrics import INFLATED, Doubles, Integers, why_undefined

Statistics = Callable[[Doubles], Mapping[str, Doubles]]  # weights (B, N) -> (B,) by name

RESAMPLES = 1000
LEVEL = 0.95
MIN_GROUPS = 2
MIN_DEFINED = 0.5  # share of the resamples in which a statistic must be defined, or it gets no interval
_CELLS = 2_000_000  # weights held at once


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval and sample size."""

    value: float | None  # on the data themselves, without resampling
    low: float | None  # 95 % interval
    high: float | None
    n: int  # rows
    groups: int  # number of groups, the units that are resampled
    why: str = ""  # why the value, or the interval, is missing


def estimate(
    statistics: Statistics,
    *,
    labels: Integers,
    groups: Integers,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Values and 95 % intervals of several statistics of the same rows.

    Resamples in which a statistic is undefined (for example, no fake was drawn) are left out of its interval. There
    is no interval if fewer than half of the resamples are defined, or if nearly all of them agree (for example on 0
    of 3), since an interval of width zero would promise certainty. The interval of a statistic that noise inflates
    (``metrics.INFLATED``) is shifted down by the mean increase from resampling, but not below 0.

    Args:
        statistics: weights (B, N) -> name -> (B,), NaN where undefined.
        labels: (N,) used to explain a missing value.
        groups: (N,) the number of each row's group.
        resamples: number of resamples.
        seed: of the resampling.
    """
    n = len(labels)
    names, rows = np.unique(np.asarray(groups), return_inverse=True)
    if not n:
        nothing = statistics(np.ones((1, 0)))
        return {name: Estimate(None, None, None, 0, 0, "there are no rows") for name in nothing}
    values = {name: float(value[0]) for name, value in statistics(np.ones((1, n))).items()}
    drawn: dict[str, list[Doubles]] = {name: [] for name in values}
    if len(names) >= MIN_GROUPS:
        for weights in _resampled(rows, groups=len(names), resamples=resamples, seed=seed):
            for name, value in statistics(weights).items():
                drawn[name].append(value)
    return {
        name: _estimate(
            value, _deflated(name, value, np.concatenate(drawn[name] or [np.zeros(0)])), n=n, groups=len(names),
            why=why_undefined(name, labels),
        )
        for name, value in values.items()
    }  # fmt: skip


def _deflated(name: str, value: float, drawn: Doubles) -> Doubles:
    """Resampled values (R,), minus the mean increase from resampling if noise inflates the statistic."""
    if name not in INFLATED or not np.isfinite(drawn).any():
        return drawn
    return np.maximum(drawn - (np.nanmean(drawn) - value), 0.0)


def _estimate(value: float, drawn: Doubles, *, n: int, groups: int, why: str) -> Estimate:
    if not np.isfinite(value):
        return Estimate(None, None, None, n, groups, why)
    defined = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return Estimate(value, None, None, n, groups, "no interval: there is one group")
    if len(defined) < MIN_DEFINED * len(drawn):
        return Estimate(value, None, None, n, groups, "no interval: undefined in most resamples")
    low, high = np.quantile(defined, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    if not low < high:
        return Estimate(value, None, None, n, groups, "no interval: nearly all resamples agree")
    return Estimate(value, float(low), float(high), n, groups)


def _resampled(rows: Integers, *, groups: int, resamples: int, seed: int) -> Iterator[Doubles]:
    """Yields weights (B, N), one batch of resamples at a time."""
    random = np.random.default_rng(seed)
    batch = max(1, _CELLS // max(len(rows), groups))
    shares = np.full(groups, 1.0 / groups)
    for start in range(0, resamples, batch):
        counts = random.multinomial(groups, shares, size=min(batch, resamples - start))
        yield counts[:, rows].astype(np.float64)
