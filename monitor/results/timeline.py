"""``timeline.csv``: one row for each sample that was scored or rejected, written as it happens."""

import contextlib
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monitor.results.result_folder import TIMELINE_FILE
from monitor.system.files import write_error
from monitor.types import Observation, Verdict
from monitor.types.faces import sigmoid

COLUMNS = (
    "frame_index",  # 0-based position in the source
    "media_time",  # seconds from the first frame
    "track_id",
    "log_odds",  # calibrated natural log-odds of "fake" of this sample alone; empty if it was rejected
    "sample_probability",  # the same as P(fake)
    "weight",  # 0..1, how much the sample counts
    "box_x1", "box_y1", "box_x2", "box_y2",  # the face, pixels of the full frame
    "crop_x1", "crop_y1", "crop_x2", "crop_y2",  # the square that the classifier saw
    "rejected",  # why the sample was not scored, separated by spaces; empty if it was
    "label",  # what is said of the track after this sample
    "probability",  # P(fake) of the track after this sample
    "effective_samples",  # how many independent witnesses stand behind it
    "engine",
)  # fmt: skip
_NONE = ("",) * 4


class Timeline:
    """Streams rows to ``timeline.csv`` in ``folder``; keeps nothing of them.

    Raises:
        OutputError: the file cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / TIMELINE_FILE
        try:
            self._file = self._path.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise write_error(self._path, error) from error
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(COLUMNS)

    def add(self, observation: Observation) -> None:
        """Write the samples of one frame.

        Raises:
            OutputError: the disk is full or gone.
        """
        try:
            self._rows.writerows(self._samples(observation))
        except OSError as error:
            raise write_error(self._path, error) from error

    def close(self) -> None:
        """Write what is still in memory.

        Raises:
            OutputError: the disk is full or gone.
        """
        try:
            self._file.close()
        except OSError as error:
            raise write_error(self._path, error) from error

    def discard(self) -> None:
        """Close and remove the file."""
        with contextlib.suppress(OSError):  # a full disk fails here once more
            self._file.close()
        self._path.unlink(missing_ok=True)

    def _samples(self, observation: Observation) -> Iterator[tuple[Any, ...]]:
        scores, tracked = observation.scores, observation.tracked
        boxes = dict(zip(tracked.track_ids.tolist(), tracked.faces.boxes.tolist(), strict=True))
        verdicts = {verdict.track_id: verdict for verdict in observation.verdicts}
        head = (observation.frame_index, f"{observation.media_time:.3f}")

        def tail(track: int, rejected: str) -> tuple[Any, ...]:
            return rejected, *_verdict(verdicts.get(track)), observation.engine

        columns = (scores.track_ids, scores.log_odds, scores.weights, scores.crops)
        for track, log_odds, weight, crop in zip(*(column.tolist() for column in columns), strict=True):
            numbers = (f"{log_odds:.4f}", f"{sigmoid(log_odds):.4f}", f"{weight:.4f}")
            yield *head, track, *numbers, *_pixels(boxes.get(track)), *_pixels(crop), *tail(track, "")
        for track, reasons in scores.rejected.items():
            yield *head, track, "", "", "", *_pixels(boxes.get(track)), *_NONE, *tail(track, " ".join(reasons))


def _pixels(box: list[float] | None) -> tuple[str, ...]:
    return _NONE if box is None else tuple(f"{edge:.1f}" for edge in box)


def _verdict(verdict: Verdict | None) -> tuple[str, str, str]:
    if verdict is None:
        return "", "", ""
    probability = "" if verdict.probability is None else f"{verdict.probability:.4f}"
    return verdict.label, probability, f"{verdict.effective_samples:.3f}"
