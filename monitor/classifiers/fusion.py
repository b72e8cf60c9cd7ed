"""Fuses the scores of several classifiers: weighted sums of calibrated log-odds and of evidence maps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.types import Floats, Reason, Scores

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Fusion:
    """Weights of the classifiers' calibrated log-odds: ``z = bias + sum(weight * z_k)``.

    Two classifiers that differ by ``max_difference`` log-odds or more disagree: there is no verdict then.
    """

    weights: tuple[float, ...] = (1.0,)  # weight of each classifier, >= 0
    bias: float = 0.0
    max_difference: float = math.inf

    def combine(self, log_odds: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Fused log-odds (N,) of the classifiers' (K, N), and where they agree (N,) well enough for a verdict."""
        fused: Floats = (np.array(self.weights, np.float32) @ log_odds + np.float32(self.bias)).astype(np.float32)
        return fused, np.ptp(log_odds, axis=0) < self.max_difference

    def fuse(self, parts: Sequence[Scores]) -> Scores:
        """Fuse the scores of the same faces.

        A face rejected by any classifier is rejected, so a score always comes from all classifiers. The evidence maps
        are added on a common grid, so that ``mean(map)`` plus a constant is the fused log-odds.

        Args:
            parts: the scores of each classifier, in the order of ``weights``.
        """
        if self == ALONE:
            return parts[0]
        rejected: dict[int, tuple[Reason, ...]] = {}
        for part in reversed(parts):
            rejected |= part.rejected
        tracks = [track for track in parts[0].track_ids.tolist() if track not in rejected]
        if not tracks:
            return Scores.none(rejected)
        rows = [_rows(part, tracks) for part in parts]
        weights = np.array(self.weights, np.float32)
        log_odds = np.array([part.log_odds[chosen] for part, chosen in zip(parts, rows, strict=True)])
        squares = [part.crops[chosen] for part, chosen in zip(parts, rows, strict=True)]
        square = _enclose(squares)
        cells = max(
            math.ceil(part.evidence_maps.shape[1] * _side(square)[0] / _side(own)[0] - 1e-3)
            for part, own in zip(parts, squares, strict=True)
        )
        maps = sum(
            weight * _resample(part.evidence_maps[chosen], own, square=square, cells=cells)
            for weight, part, chosen, own in zip(weights, parts, rows, squares, strict=True)
        )
        return Scores(
            track_ids=parts[0].track_ids[rows[0]],
            log_odds=self.combine(log_odds)[0],
            evidence_maps=np.asarray(maps, np.float32),
            crops=square,
            weights=parts[0].weights[rows[0]],
            rejected=rejected,
            parts=tuple(
                type(score)(score.classifier, score.logits[chosen], score.log_odds[chosen])
                for part, chosen in zip(parts, rows, strict=True)
                for score in part.parts
            ),
        )


ALONE = Fusion()  # a single classifier: its scores stay unchanged


def _rows(part: Scores, tracks: Sequence[int]) -> Rows:
    """The row numbers of these tracks, in the order of ``tracks``."""
    places = {track: row for row, track in enumerate(part.track_ids.tolist())}
    return np.array([places[track] for track in tracks], np.intp)


def _enclose(squares: Sequence[Floats]) -> Floats:
    """The smallest squares (N, 4) around the squares (N, 4) of each classifier."""
    low = np.min([square[:, :2] for square in squares], axis=0)
    high = np.max([square[:, 2:] for square in squares], axis=0)
    half = (high - low).max(axis=1, keepdims=True) / 2
    centre = (low + high) / 2
    around: Floats = np.concatenate((centre - half, centre + half), axis=1).astype(np.float32)
    return around


def _side(squares: Floats) -> Floats:
    side: Floats = squares[:, 2] - squares[:, 0]
    return side


def _resample(maps: Floats, own: Floats, *, square: Floats, cells: int) -> Floats:
    """Resample maps (N, h, w) of the squares ``own`` to a grid (N, cells, cells) of ``square``, by overlap.

    The mean stays the same: a map that covers a fraction of the square is scaled up accordingly.
    """
    down = _overlaps(maps.shape[1], own[:, 1], own[:, 3], low=square[:, 1], high=square[:, 3], cells=cells)
    across = _overlaps(maps.shape[2], own[:, 0], own[:, 2], low=square[:, 0], high=square[:, 2], cells=cells)
    gain = (_side(square) / _side(own)) ** 2
    resampled: Floats = np.einsum("nkh,nhw,nlw,n->nkl", down, maps, across, gain).astype(np.float32)
    return resampled


def _overlaps(count: int, first: Floats, last: Floats, *, low: Floats, high: Floats, cells: int) -> Floats:
    """(N, cells, count): the fraction of each grid cell that each map cell covers.

    The grid cells divide ``low .. high``, the map cells ``first .. last``; all (N,), pixels.
    """
    grid = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, cells + 1)
    edges = first[:, None] + (last - first)[:, None] * np.linspace(0, 1, count + 1)
    shared = np.minimum(grid[:, 1:, None], edges[:, None, 1:]) - np.maximum(grid[:, :-1, None], edges[:, None, :-1])
    overlaps: Floats = np.maximum(shared, 0) / ((high - low) / cells)[:, None, None]
    return overlaps
