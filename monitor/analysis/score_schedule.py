"""Selects the faces to score at a fixed rate of media time."""

import math

import numpy as np
from numpy.typing import NDArray


class ScoreSchedule:
    """Selects the tracks to score: one score per track in each slot of ``every`` seconds of media time.

    Fixed slots keep the rate exact at any frame rate: at 24 fps, 0.2 s also gives five scores a second.
    """

    def __init__(self, every: float) -> None:
        self._every = every
        self._slots: dict[int, int] = {}

    def due(self, track_ids: NDArray[np.int64], media_time: float, *, min_score_interval: float = 0.0) -> list[int]:
        """Rows of ``track_ids`` to score now, at least ``min_score_interval`` seconds apart; marks the slot as used."""
        slot = math.floor(media_time / max(self._every, min_score_interval) + 1e-6)
        rows = [row for row, track in enumerate(track_ids.tolist()) if self._slots.get(track) != slot]
        for row in rows:
            self._slots[int(track_ids[row])] = slot
        return rows

    def forget(self, track_ids: tuple[int, ...]) -> None:
        """Free the state of ended tracks."""
        for track in track_ids:
            self._slots.pop(track, None)
