"""``timeline.csv``: one row for each scored or rejected sample, written during the analysis."""

import contextlib
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from monitor.errors import OutputError
from monitor.results.result_folder import TIMELINE_FILE
from monitor.system.files import write_error
from monitor.types import Label, Observation, Verdict
from monitor.types.faces import sigmoid

COLUMNS = (
    "frame_index",  # 0-based position in the source
    "media_time",  # seconds from the first frame
    "track_id",
    "log_odds",  # calibrated natural log-odds of "fake" of this sample alone; empty if rejected
    "sample_probability",  # score of this sample alone, 0..1
    "weight",  # 0..1, weight of the sample
    "box_x1", "box_y1", "box_x2", "box_y2",  # face box, pixels of the full frame
    "crop_x1", "crop_y1", "crop_x2", "crop_y2",  # the classifier's square crop, pixels
    "rejected",  # reasons of a rejection, separated by spaces; empty if scored
    "label",  # of the track after this sample
    "probability",  # P(fake) of the track after this sample
    "effective_samples",  # effective sample size of the track after this sample
    "engine",
)  # fmt: skip
_NO_BOX = ("",) * 4


@dataclass(frozen=True, slots=True)
class TimelineSample:
    """One row: a sample of one face, and the verdict of its track after this sample."""

    frame_index: int
    media_time: float  # seconds, rounded to milliseconds
    track_id: int
    log_odds: float | None  # calibrated; None: rejected
    weight: float  # 0..1; 0: rejected
    box: tuple[float, float, float, float] | None  # x1 y1 x2 y2, pixels of the full frame; None: unknown
    label: Label
    probability: float | None  # P(fake) of the track; None without a usable sample
    effective_samples: float
    engine: str

    @classmethod
    def read(cls, path: Path) -> Iterator[Self]:
        """Read the rows of a ``timeline.csv``, in order.

        Raises:
            OutputError: the file cannot be read, or a column is missing or malformed.
        """
        try:
            with path.open(encoding="utf-8", newline="") as file:
                yield from map(cls._parse, csv.DictReader(file))
        except OSError as error:
            raise OutputError(f"{path} cannot be read: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError, csv.Error) as error:
            raise OutputError(f"{path} is no timeline of this version: analyse the file again") from error

    @classmethod
    def _parse(cls, row: dict[str, str]) -> Self:
        edges = [row[f"box_{edge}"] for edge in ("x1", "y1", "x2", "y2")]
        return cls(
            frame_index=int(row["frame_index"]),
            media_time=float(row["media_time"]),
            track_id=int(row["track_id"]),
            log_odds=_parse_number(row["log_odds"]),
            weight=_parse_number(row["weight"]) or 0.0,
            box=_parse_box(edges) if all(edges) else None,
            label=Label(row["label"] or Label.NOT_ENOUGH_EVIDENCE),
            probability=_parse_number(row["probability"]),
            effective_samples=_parse_number(row["effective_samples"]) or 0.0,
            engine=row["engine"],
        )


class Timeline:
    """Writes rows to ``timeline.csv`` in ``folder``; keeps no rows in memory.

    Leaving the ``with`` block closes the file, also on a full disk.

    Raises:
        OutputError: the file cannot be created; in any method: the disk is full or unavailable.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / TIMELINE_FILE
        try:
            self._file = self._path.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise write_error(self._path, error) from error
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(COLUMNS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # a full disk fails here again
            self._file.close()

    def add(self, observation: Observation) -> None:
        """Write the samples of one frame."""
        try:
            self._rows.writerows(self._samples(observation))
        except OSError as error:
            raise write_error(self._path, error) from error

    def close(self) -> None:
        """Flush and close the file."""
        try:
            self._file.close()
        except OSError as error:
            raise write_error(self._path, error) from error

    def _samples(self, observation: Observation) -> Iterator[tuple[Any, ...]]:
        scores, tracked = observation.scores, observation.tracked
        boxes = dict(zip(tracked.track_ids.tolist(), tracked.faces.boxes.tolist(), strict=True))
        verdicts = {verdict.track_id: verdict for verdict in observation.verdicts}
        head = (observation.frame_index, f"{observation.media_time:.3f}")

        def tail(track: int, rejected: str) -> tuple[Any, ...]:
            return rejected, *_verdict_cells(verdicts.get(track)), observation.engine

        columns = (scores.track_ids, scores.log_odds, scores.weights, scores.crops)
        for track, log_odds, weight, crop in zip(*(column.tolist() for column in columns), strict=True):
            numbers = (f"{log_odds:.4f}", f"{sigmoid(log_odds):.4f}", f"{weight:.4f}")
            yield *head, track, *numbers, *_box_cells(boxes.get(track)), *_box_cells(crop), *tail(track, "")
        for track, reasons in scores.rejected.items():
            yield *head, track, "", "", "", *_box_cells(boxes.get(track)), *_NO_BOX, *tail(track, " ".join(reasons))


def _parse_number(text: str) -> float | None:
    """The number in a cell; None if the cell is empty."""
    return float(text) if text else None


def _parse_box(edges: list[str]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = map(float, edges)
    return x1, y1, x2, y2


def _box_cells(box: list[float] | None) -> tuple[str, ...]:
    return _NO_BOX if box is None else tuple(f"{edge:.1f}" for edge in box)


def _verdict_cells(verdict: Verdict | None) -> tuple[str, str, str]:
    if verdict is None:
        return "", "", ""
    probability = "" if verdict.probability is None else f"{verdict.probability:.4f}"
    return verdict.label, probability, f"{verdict.effective_samples:.3f}"
