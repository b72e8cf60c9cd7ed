"""TrackedFaces -> Scores: one crop per face, one batch per frame; calibrated log-odds and an evidence map per face."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.classifiers import Classifier
from monitor.classifiers.crops import crop_faces
from monitor.errors import EngineError
from monitor.inference.backends import Engine
from monitor.types import ClassifierScores, Floats, Pixels, Qualities, Reason, Scores, TrackedFaces

logger = logging.getLogger(__name__)

TOLERATED_FAILURES = 10  # calls in a row; a call shared by several streams counts once
_MAX_SHARED_CALLS = 16  # calls that streams may share at the same time


class Scorer:
    """Runs one classifier on the faces that are due, and calibrates its output.

    A face without a score is rejected with its reasons: those of its quality, or ENGINE_DEGRADED if the engine failed
    or returned a value that is not finite. The first of several failures in a row is logged; after
    ``TOLERATED_FAILURES`` failures the next one is raised.

    Args:
        engine: compiled from that network; outputs logits (N,) and evidence maps (N, h, w). May be replaced
            at any time, see ``Engines.replace_engines``.
    """

    def __init__(self, classifier: Classifier, engine: Engine) -> None:
        self.classifier = classifier
        self.engine = engine
        self._failures = 0
        self._lock = threading.Lock()
        self._failed_calls: deque[object] = deque(maxlen=_MAX_SHARED_CALLS)  # calls of the last failures

    def score(
        self,
        pixels: Pixels,
        tracked: TrackedFaces,
        qualities: Qualities,
        *,
        rows: Sequence[int],
        engine: Engine | None = None,
    ) -> Scores:
        """Score the given rows of ``tracked`` with a quality weight above 0; reject the others.

        Args:
            pixels: (H, W, 3) RGB uint8, the frame of the faces.
            qualities: rows align with ``tracked``.
            engine: the engine of this frame; default: the current one.

        Raises:
            EngineError: the engine keeps failing.
        """
        ids = tracked.track_ids
        usable = np.array([row for row in rows if qualities.weights[row] > 0], np.intp)
        rejected = {int(ids[row]): qualities.reasons[row] for row in rows if not qualities.weights[row] > 0}
        if not len(usable):
            return Scores.none(rejected)
        boxes = tracked.faces.boxes[usable]
        card = self.classifier.card
        crops, squares = crop_faces(pixels, boxes, policy=card.crop, size=self.classifier.input_size)
        logits, maps = self._run(engine or self.engine, crops)
        scale, shift = np.float32(card.calibration.scale), np.float32(card.calibration.shift)
        log_odds = scale * logits + shift
        finite = np.isfinite(logits) & np.isfinite(maps).all(axis=(1, 2))
        rejected |= dict.fromkeys(ids[usable[~finite]].tolist(), (Reason.ENGINE_DEGRADED,))
        return Scores(
            track_ids=ids[usable[finite]],
            log_odds=log_odds[finite],
            evidence_maps=scale * maps[finite],
            crops=squares[finite],
            weights=qualities.weights[usable[finite]],
            rejected=rejected,
            parts=(ClassifierScores(classifier=card.id, logits=logits[finite], log_odds=log_odds[finite]),),
        )

    def _run(self, engine: Engine, crops: Pixels) -> tuple[Floats, Floats]:
        """Logits (N,) and evidence maps (N, h, w); all NaN if the engine failed."""
        failure: EngineError | None = None
        call: object = None  # equal for all streams that shared the call
        try:
            logits, maps = engine.run(crops)
        except EngineError as error:
            failure, call = error, error.__cause__ or error
            logits, maps = _nan((len(crops),)), _nan((len(crops), 1, 1))
        else:
            if not (np.isfinite(logits).all() and np.isfinite(maps).all()):
                failure = EngineError(f"{engine.name} returned a score that is not a finite number")
                call = logits if logits.base is None else logits.base
        self._count(failure, engine.name, call=call)
        return logits, maps

    def _count(self, failure: EngineError | None, name: str, *, call: object) -> None:
        with self._lock:
            if failure is None:
                self._failures = 0
                self._failed_calls.clear()
                return
            if any(call is before for before in self._failed_calls):
                return
            self._failed_calls.append(call)
            self._failures += 1
            failures = self._failures
        if failures > TOLERATED_FAILURES:
            raise EngineError(
                f"{name} failed {failures} times in a row, last: {failure}; try another backend"
            ) from failure
        if failures == 1:
            logger.warning("faces are not scored, they count as %s: %s", Reason.ENGINE_DEGRADED.value, failure)


def _nan(shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.full(shape, np.nan, np.float32)
