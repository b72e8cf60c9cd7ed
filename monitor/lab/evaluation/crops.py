"""Outcomes of prepared face crops, scored by the shipped classifier.

There is no detection, tracking, smoothing or quality gate. A crop gets the logit that the live path would give the
same square, the calibration of the card, and the label of the shipped thresholds. The square is resampled from the
stored crop instead of the frame, which costs a little sharpness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from monitor.classifiers.crops import cut_squares
from monitor.errors import DatasetError
from monitor.lab.datasets.faceset import FaceRow, FaceSet
from monitor.lab.evaluation.metrics import Doubles
from monitor.lab.evaluation.outcomes import Outcome, decide
from monitor.types import Floats, Label, Pixels, Reason
from monitor.types.faces import sigmoid

if TYPE_CHECKING:
    from monitor.analysis.pipeline import Engines
    from monitor.analysis.scores import Scorer
    from monitor.settings import VerdictSettings

BATCH = 32
_SLACK = 0.01  # a square may extend this share of the stored side beyond it: half a pixel of rounding


class CropScorer:
    """Scores stored crops of one geometry with one classifier.

    Args:
        scorer: the classifier with its engine and its card, which names the expected square.
        faces: the set of the crops, which names the stored square.

    Raises:
        DatasetError: the stored squares are smaller than the expected square.
    """

    def __init__(self, scorer: Scorer, faces: FaceSet) -> None:
        self._engine = scorer.engine
        self._card = scorer.classifier.card
        self._size = scorer.classifier.input_size
        self._faces = faces
        square = self._square(1)
        if square.min() < -_SLACK or square.max() > 1 + _SLACK:
            policy = self._card.crop
            raise DatasetError(
                f"{faces.folder} holds squares of {faces.side_over_box_height:g} box heights, but the weights "
                f"{self._card.id} look at {policy.side_over_box_height:g}, centred "
                f"{policy.centre_below_box_centre_over_box_height:g} below its centre: prepare wider crops (--side)"
            )

    def _square(self, stored: int) -> Floats:
        policy = self._card.crop
        return self._faces.square(
            stored, side=policy.side_over_box_height, centre=policy.centre_below_box_centre_over_box_height
        )

    def stored(self, row: int) -> Pixels:
        """Stored crop number ``row``: (H, H, 3) RGB.

        Raises:
            DatasetError: it is damaged, or not square.
        """
        picture = self._faces.pixels(row)
        height, width = picture.shape[:2]
        if height != width:
            name = self._faces.rows[row].name
            raise DatasetError(
                f"crop {name} in {self._faces.folder} is {width} x {height} pixels, where the square of a face "
                f"belongs: prepare it again"
            )
        return picture

    def cut(self, picture: Pixels) -> Pixels:
        """The square (S, S, 3) uint8 that the weights expect, cut from a stored crop (H, H, 3)."""
        crop: Pixels = cut_squares(picture, self._square(picture.shape[0]), size=self._size)[0]
        return crop

    def logits(self, pictures: Sequence[Pixels]) -> Doubles:
        """Uncalibrated natural log-odds (N,) of stored crops; NaN where the engine returned a value that is not finite.

        Raises:
            EngineError: the engine failed.
        """
        if not len(pictures):
            return np.zeros(0)
        crops = np.stack([self.cut(picture) for picture in pictures])
        logits = self._engine.run(crops)[0]
        return np.where(np.isfinite(logits), logits, np.nan).astype(np.float64)

    def log_odds(self, logits: Doubles) -> Doubles:
        """Calibrated log-odds (N,) of logits (N,)."""
        return self._card.calibration.scale * logits + self._card.calibration.shift


def crop_outcomes(
    faces: FaceSet, *, engines: Engines, settings: VerdictSettings, on_done: Callable[[int], None] = lambda _: None
) -> list[Outcome]:
    """One outcome per crop, in the order of the set. A damaged or non-square crop is a failure; the others go on.

    Args:
        faces: prepared crops.
        engines: of the classifier, or of several and their fusion. ``Outcome.logit`` is the first one's.
        settings: the thresholds.
        on_done: called with the number of crops just finished.

    Raises:
        DatasetError: the stored squares are smaller than the one that the weights expect.
        EngineError: the engine failed.
    """
    scorers = [CropScorer(scorer, faces) for scorer in engines.scorers]
    outcomes: dict[int, Outcome] = {}
    for rows in _batches(len(faces)):
        pictures: dict[int, Pixels] = {}
        for row in rows:
            try:
                pictures[row] = scorers[0].stored(row)
            except DatasetError as error:
                outcomes[row] = _outcome(faces, faces.rows[row], decision=None, failure=str(error))
        logits = np.array([scorer.logits(list(pictures.values())) for scorer in scorers])
        opinions = np.array([scorer.log_odds(row) for scorer, row in zip(scorers, logits, strict=True)])
        fused, agree = engines.committee.fusion.combine(opinions)
        for column, row in enumerate(pictures):
            unusable = Reason.ENGINE_DEGRADED if np.isnan(fused[column]) else Reason.MODELS_DISAGREE
            if np.isnan(fused[column]) or not agree[column]:
                outcomes[row] = _outcome(
                    faces, faces.rows[row], decision=Label.NOT_ENOUGH_EVIDENCE, reasons=(unusable,)
                )
                continue
            probability = sigmoid(float(fused[column]))
            label, reasons = decide(probability, settings)
            outcomes[row] = _outcome(
                faces, faces.rows[row], decision=label, reasons=reasons, probability=probability,
                logit=float(logits[0, column]),
            )  # fmt: skip
        on_done(len(rows))
    return [outcomes[row] for row in range(len(faces))]


def _batches(count: int) -> Iterator[range]:
    for start in range(0, count, BATCH):
        yield range(start, min(start + BATCH, count))


def _outcome(
    faces: FaceSet,
    row: FaceRow,
    *,
    decision: Label | None,
    reasons: tuple[Reason, ...] = (),
    failure: str = "",
    **scores: float,
) -> Outcome:
    return Outcome(
        dataset=row.dataset or faces.folder.name,
        id=row.name,
        path="",
        label=row.label,
        method=row.method,
        group=row.group,
        decision=decision,
        probability=scores.get("probability"),
        reasons=reasons,
        failure=failure,
        logit=scores.get("logit"),
    )
