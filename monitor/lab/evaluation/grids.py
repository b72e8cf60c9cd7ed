"""Scores of the same crops or videos in every cell of a grid of perturbations.

Level 0 is the unchanged material. Stored crops and decoded frames are perturbed before the program resizes them.
Items without a judgement are counted separately: for videos by the verdict, for crops by the quality gate. The gate
gets the box from the crop geometry, at the stored size, so no face is too small.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, islice, product, takewhile
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.analysis import quality
from monitor.analysis.pipeline import Engines, Pipeline
from monitor.errors import DatasetError, MonitorError
from monitor.lab.datasets.faceset import FaceSet
from monitor.lab.datasets.record import Record
from monitor.lab.evaluation.crops import CropScorer
from monitor.lab.evaluation.outcomes import MediaSpan, numbered
from monitor.lab.evaluation.timelines import joined
from monitor.lab.evaluation.watch import VideoWatcher
from monitor.media.sources import open_source
from monitor.runtime import VerdictCollector
from monitor.settings import Settings
from monitor.types import Faces, Frame, Label, Pixels

Doubles = NDArray[np.float64]
Change = Callable[..., Pixels]  # (pixels, *, seed) -> pixels of the same shape

LEVELS: Final = (1, 2, 3, 4, 5)
CLEAN: Final = ("clean", 0)
_BATCH = 32
_CLIP = 12  # frames perturbed together: half a second
_SEED = 1009  # seed of the noise: item number times this, plus frame number

Place = tuple[str, int]  # perturbation, level


class PerturbFunction(Protocol):
    """A perturbation, see ``monitor.lab.fakes.perturbations``."""

    def apply(self, frame: Pixels, *, level: int, seed: int) -> Pixels:
        """Perturbs one picture (H, W, 3) RGB uint8."""

    def apply_clip(self, frames: Pixels, *, level: int, seed: int) -> Pixels:
        """Perturbs consecutive frames (T, H, W, 3), encoded together."""


@dataclass(frozen=True, slots=True, eq=False)
class CellScores:
    """Scores of all items in one cell."""

    scores: Doubles  # (N,) P(fake); NaN where there was no usable face
    abstained: NDArray[np.bool_]  # (N,) without a judgement
    watched: "CellAlarms | None" = None  # videos only


@dataclass(frozen=True, slots=True, eq=False)
class CellAlarms:
    """Alarms on all videos in one cell."""

    seconds: Doubles  # (N,) of media time
    alarms: NDArray[np.int64]  # (N,) suspicious spans; overlapping spans of several faces count once


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """All cells of the same items."""

    labels: NDArray[np.int64]  # (N,) 1 fake, 0 real
    groups: NDArray[np.int64]  # (N,)
    cells: Mapping[Place, CellScores]
    failures: tuple[str, ...] = ()  # unreadable items, not among the N


def spread(faces: FaceSet, limit: int | None) -> FaceSet:
    """At most ``limit`` crops, half of them fake if possible; a deterministic choice."""
    if limit is None or len(faces) <= limit:
        return faces
    names = {faces.rows[row].name for row in _balanced([row.label for row in faces.rows], limit)}
    return faces.select(lambda face: face.name in names)


def spread_records(records: Sequence[Record], limit: int | None) -> list[Record]:
    """At most ``limit`` records, chosen as in ``spread``, in their original order."""
    if limit is None or len(records) <= limit:
        return list(records)
    return [records[row] for row in _balanced([record.label for record in records], limit)]


def _balanced(labels: Sequence[int], limit: int) -> list[int]:
    order = np.random.default_rng(_SEED).permutation(len(labels)).tolist()
    fakes = [row for row in order if labels[row]]
    reals = [row for row in order if not labels[row]]
    half = max(limit // 2, limit - len(fakes))
    return sorted((*reals[:half], *fakes[: limit - min(half, len(reals))]))


def crop_grid(
    faces: FaceSet,
    *,
    engines: Engines,
    settings: Settings,
    perturbations: Mapping[str, PerturbFunction],
    levels: Sequence[int] = LEVELS,
    on_done: Callable[[], None] = lambda: None,
) -> Grid:
    """Perturb, measure and score prepared crops.

    Args:
        faces: the crops; unreadable and non-square ones are listed in ``failures``.
        engines: of the classifier.
        settings: the quality gate's limits.
        perturbations: by name.
        levels: of each.
        on_done: called after each cell.

    Raises:
        DatasetError: the readable crops are of one class, or too narrow for these weights.
        EngineError: the engine failed.
    """
    scorer = CropScorer(engines.scorer, faces)
    calibration = engines.classifier.card.calibration
    readable, failures = _readable(scorer, len(faces))
    labels = np.array([faces.rows[row].label for row in readable], np.int64)
    require_both(labels.tolist())
    cells = {}
    for place in _places(perturbations, levels):
        perturb = _picture_changer(perturbations, place)
        logits: list[Doubles] = []
        abstained: list[bool] = []
        for start in range(0, len(readable), _BATCH):
            rows = readable[start : start + _BATCH]
            pictures = [perturb(scorer.stored(row), seed=_SEED * row) for row in rows]
            logits.append(scorer.logits(pictures))
            abstained += [
                not _usable(picture, faces, row, settings) for row, picture in zip(rows, pictures, strict=True)
            ]
        scores = [calibration.probability(logit) for logit in np.concatenate(logits).tolist()]
        cells[place] = CellScores(scores=np.array(scores), abstained=np.array(abstained, np.bool_))
        on_done()
    return Grid(
        labels=labels,
        groups=numbered([faces.rows[row].group for row in readable]),
        cells=cells,
        failures=tuple(failures),
    )


def video_grid(
    records: Sequence[Record],
    *,
    engines: Engines,
    settings: Settings,
    perturbations: Mapping[str, PerturbFunction],
    seconds: float,
    levels: Sequence[int] = LEVELS,
    on_done: Callable[[], None] = lambda: None,
) -> Grid:
    """Run the pipeline over perturbed videos and pictures.

    Args:
        records: labelled files; an unreadable one is listed in ``failures`` and left out of every cell.
        engines: of the pipeline.
        settings: of every stage.
        perturbations: by name.
        seconds: media time analysed of each file.
        levels: of each perturbation.
        on_done: called after each file in each cell.

    Raises:
        EngineError: the engine failed.
        DatasetError: no file could be read, or the readable ones are of one class.
    """
    failures: dict[str, str] = {}
    found: dict[Place, list[_Viewing]] = {}
    readable = list(records)
    if records:
        require_both([record.label for record in records])
    for place in _places(perturbations, levels):
        change = _clip_changer(perturbations, place)
        found[place] = []
        for number, record in enumerate(list(readable)):
            try:
                found[place].append(_watched(record, change, number, engines=engines, settings=settings, end=seconds))
            except MonitorError as error:
                if place != CLEAN:
                    raise
                failures[record.video_id] = str(error)
            on_done()
        readable = [record for record in readable if record.video_id not in failures]
        if not readable:
            first = next(iter(failures.values()), "none was given")
            raise DatasetError(f"not one of {len(records)} files could be read; the first: {first}")
        require_both([record.label for record in readable])
    return Grid(
        labels=np.array([record.label for record in readable], np.int64),
        groups=numbered([record.group or record.video_id for record in readable]),
        cells={place: _judged(viewings) for place, viewings in found.items()},
        failures=tuple(failures.values()),
    )


def require_both(labels: Sequence[int]) -> None:
    """Raise if the items are of one class, since nothing can be ranked.

    Raises:
        DatasetError: there are only fakes, or only reals.
    """
    fakes = sum(labels)
    if fakes in (0, len(labels)):
        raise DatasetError(
            f"robustness needs real and fake material, there are {len(labels) - fakes} real and {fakes} fake items"
        )


def _readable(scorer: CropScorer, count: int) -> tuple[list[int], list[str]]:
    """Rows of the readable crops, and the reasons for the others."""
    rows, failures = [], []
    for row in range(count):
        try:
            scorer.stored(row)
        except DatasetError as error:
            failures.append(str(error))
        else:
            rows.append(row)
    return rows, failures


def _places(perturbations: Mapping[str, PerturbFunction], levels: Sequence[int]) -> Iterator[Place]:
    """Every cell, the unchanged one first."""
    yield CLEAN
    yield from product(perturbations, levels)


def _picture_changer(perturbations: Mapping[str, PerturbFunction], place: Place) -> Change:
    name, level = place
    return partial(perturbations[name].apply, level=level) if level else _unchanged


def _clip_changer(perturbations: Mapping[str, PerturbFunction], place: Place) -> Change:
    name, level = place
    return partial(perturbations[name].apply_clip, level=level) if level else _unchanged


def _unchanged(pixels: Pixels, *, seed: int) -> Pixels:  # noqa: ARG001 - as the others
    return pixels


def _usable(picture: Pixels, faces: FaceSet, row: int, settings: Settings) -> bool:
    """Whether a stored crop passes the quality gate, applied to the visible part of its box."""
    stored = picture.shape[0]
    height = stored / faces.side_over_box_height
    middle = stored / 2 - faces.centre_below_box_centre_over_box_height * height
    box = np.clip(
        [stored / 2 - height / 2, middle - height / 2, stored / 2 + height / 2, middle + height / 2], 0, stored
    )
    face = Faces(
        boxes=box[None].astype(np.float32),
        probabilities=np.ones(1, np.float32),
        landmarks=faces.landmarks(row, side=stored)[None],
    )
    return not quality.measure(picture, face, settings.quality).reasons[0]


class _Viewing(NamedTuple):
    """The result of one file in one cell."""

    score: float  # P(fake), NaN without a usable face
    abstains: bool
    seconds: float  # of media time
    alarms: int


def _judged(viewings: Sequence[_Viewing]) -> CellScores:
    scores, abstained, seconds, alarms = zip(*viewings, strict=True)
    watched = CellAlarms(np.array(seconds), np.array(alarms, np.int64))
    return CellScores(np.array(scores), np.array(abstained, np.bool_), watched)


def _watched(
    record: Record, change: Change, number: int, *, engines: Engines, settings: Settings, end: float
) -> _Viewing:
    with open_source(record.path, settings.source) as source:
        still = source.info.still
        pipeline = Pipeline(engines, settings, still=still)
        tally, card = VerdictCollector(), engines.classifier.card
        watch = VideoWatcher(settings.verdict, process=card.score_process, still=still)
        frames = takewhile(lambda frame: frame.media_time <= end, source)
        for frame in _changed(frames, change, seed=_SEED * number):
            observation = pipeline.step(frame)
            tally(frame, observation)
            watch(frame, observation)
    tally.finish(*pipeline.finish())
    verdict = tally.verdict
    score = watch.mean_probability
    return _Viewing(
        score=np.nan if score is None else score,
        abstains=verdict.label is Label.NOT_ENOUGH_EVIDENCE,
        seconds=0.0 if still else watch.last_time + (1.0 / source.info.fps if source.info.fps else 0.0),
        alarms=len(joined(MediaSpan(segment.start, segment.end) for segment in tally.segments)),
    )


def _changed(frames: Iterable[Frame], change: Change, *, seed: int) -> Iterator[Frame]:
    """The frames, perturbed in clips of equal frame size."""
    for _, alike in groupby(frames, key=lambda frame: frame.pixels.shape):
        while clip := list(islice(alike, _CLIP)):
            changed = change(np.stack([frame.pixels for frame in clip]), seed=seed + clip[0].index)
            for frame, pixels in zip(clip, changed, strict=True):
                yield replace(frame, pixels=np.array(pixels))
