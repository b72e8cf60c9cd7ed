"""Faces per second of several classifiers, measured in turns, so that a change of machine speed affects all of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from monitor.analysis.pipeline import Engines

ROUNDS: Final = 15


def faces_per_second(engines: Sequence[Engines], *, rounds: int = ROUNDS) -> list[float]:
    """Speed of each classifier at batch size 1: wall-clock median of rounds in which all take turns."""
    noise = np.random.default_rng(1)
    sizes = [one.classifier.input_size for one in engines]
    faces = [noise.integers(0, 256, (1, size, size, 3), np.uint8) for size in sizes]
    seconds = np.zeros((rounds + 1, len(engines)))
    for row in seconds:
        for column, (one, face) in enumerate(zip(engines, faces, strict=True)):
            started = time.perf_counter()
            one.scorer.engine.run(face)
            row[column] = time.perf_counter() - started
    return [float(1 / max(spent, 1e-9)) for spent in np.median(seconds[1:], axis=0)]  # the first round warms up
