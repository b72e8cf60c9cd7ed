"""Platt scaling (Platt, 1999): calibrated log-odds are ``scale * logit + shift``.

The fit is scikit-learn's logistic regression without a penalty, on Platt's smoothed targets. These keep the scale
finite for perfectly separated classes. Both classes have the same total weight, so P(fake) assumes as many fakes as
reals. Only the fit needs the library; a card stores the two numbers.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from monitor.errors import DatasetError

_TOLERANCE = 1e-10  # of the gradient
_MIN_SCALE = 1e-3  # for uninformative logits: nearly flat, but increasing
_MIN_SPREAD = 1e-9  # standard deviation under which all logits count as equal


def fit_platt(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> tuple[float, float]:
    """Scale (> 0) and shift of the calibrated log-odds.

    Logits that are all equal, or that are higher for real faces than for fake ones, get the smallest scale.

    Args:
        logits: (N,) > 0 leans to fake.
        labels: (N,) 1 = fake, 0 = real.

    Raises:
        DatasetError: there is one class only, or a logit is not a finite number.
    """
    x, fake = np.asarray(logits, np.float64), np.asarray(labels) == 1
    fakes, reals = int(fake.sum()), int((~fake).sum())
    if not fakes or not reals:
        raise DatasetError(f"calibration needs real and fake faces, there are {reals} real and {fakes} fake ones")
    if not np.isfinite(x).all():
        raise DatasetError("a logit is no number: the weights cannot be calibrated")
    middle, spread = float(x.mean()), float(x.std())
    scale = shift = 0.0
    if spread >= _MIN_SPREAD:
        targets = np.where(fake, (fakes + 1) / (fakes + 2), 1 / (reals + 2))
        weights = np.where(fake, 0.5 / fakes, 0.5 / reals) * len(x)
        scale, shift = _regression((x - middle) / spread, targets, weights)
        scale /= spread
    if scale < _MIN_SCALE:
        return _MIN_SCALE, -_MIN_SCALE * middle
    return scale, shift - scale * middle


def _regression(
    x: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[float, float]:
    """Slope and intercept for fractional targets: each row enters as a fake and as a real one, weighted by target."""
    fit = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=_TOLERANCE)
    fit.fit(
        np.concatenate((x, x))[:, None],
        np.repeat((1, 0), len(x)),
        sample_weight=np.concatenate((weights * targets, weights * (1 - targets))),
    )
    return float(fit.coef_[0, 0]), float(fit.intercept_[0])
