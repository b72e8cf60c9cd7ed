"""Platt scaling (Platt, 1999): logits -> calibrated log-odds ``scale * logit + shift``.

Fitted by maximum likelihood on Platt's smoothed targets, which keep a perfect separation from running to
infinity. Both classes weigh the same however many there are of each: P(fake) is that of a face drawn from
as many fakes as reals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from monitor.errors import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEPS, _ENOUGH = 100, 1e-10
_LEAST_SCALE = 1e-3  # a classifier that knows nothing: all but flat, and still increasing


def fit_platt(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> tuple[float, float]:
    """Scale (> 0) and shift.

    Args:
        logits: (N,) > 0 leans to fake.
        labels: (N,) 1 = fake, 0 = real.

    Raises:
        DatasetError: one class only, or a logit is no number.
    """
    x, fake = np.asarray(logits, np.float64), np.asarray(labels) == 1
    fakes, reals = int(fake.sum()), int((~fake).sum())
    if not fakes or not reals:
        msg = f"calibration needs real and fake faces, there are {reals} real and {fakes} fake ones"
        raise DatasetError(msg)
    if not np.isfinite(x).all():
        msg = "a logit is no number: the weights cannot be calibrated"
        raise DatasetError(msg)
    targets = np.where(fake, (fakes + 1) / (fakes + 2), 1 / (reals + 2))
    weights = np.where(fake, 0.5 / fakes, 0.5 / reals)  # both classes count the same
    spread = max(float(x.std()), 1e-9)
    scale, shift = _newton((x - x.mean()) / spread, targets, weights)
    if scale / spread < _LEAST_SCALE:
        return _LEAST_SCALE, -_LEAST_SCALE * float(x.mean())
    return scale / spread, shift - scale / spread * float(x.mean())


def _newton(x: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    """The minimum of the weighted cross-entropy over scale and shift, by damped Newton steps."""
    design = np.stack((x, np.ones_like(x)), axis=1)
    answer = np.array((1.0, 0.0))

    def loss(at: NDArray[np.float64]) -> float:
        z = design @ at
        return float(weights @ (np.logaddexp(0, z) - targets * z))

    for _ in range(_STEPS):
        p = 0.5 + 0.5 * np.tanh(design @ answer / 2)
        gradient = design.T @ (weights * (p - targets))
        hessian = (design * (weights * p * (1 - p))[:, None]).T @ design + 1e-12 * np.eye(2)
        step, size = np.linalg.solve(hessian, gradient), 1.0
        while loss(answer - size * step) > loss(answer) and size > _ENOUGH:
            size /= 2
        answer = answer - size * step
        if np.abs(size * step).max() < _ENOUGH:
            break
    return float(answer[0]), float(answer[1])
