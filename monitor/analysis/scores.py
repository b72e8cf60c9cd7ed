"""TrackedFaces -> Scores: one crop per face, one batch per frame, calibrated log-odds and an evidence map each."""

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

TOLERATED_FAILURES = 10  # calls in a row; one that several streams shared counts once
_SHARING = 16  # calls that streams may share at the same time, at most


class Scorer:
    """Runs one classifier on the faces that are due, and calibrates its output.

    A face that cannot be scored is rejected with its reasons, never guessed: those of its quality, or
    ENGINE_DEGRADED where the engine failed or gave a value that is no number. The first of several
    failures in a row is logged; after ``TOLERATED_FAILURES`` of them the next one is raised.

    Args:
        classifier: its network, its crop policy and its calibration.
        engine: compiled from that network; outputs logits (N,) and evidence maps (N, h, w). May be replaced
            at any time, see ``Engines.serve``.
    """

    def __init__(self, classifier: Classifier, engine: Engine) -> None:
        self.classifier = classifier
        self.engine = engine
        self._failures = 0
        self._counting = threading.Lock()
        self._counted: deque[object] = deque(maxlen=_SHARING)  # what the last failures were of

    def score(
        self,
        pixels: Pixels,
        tracked: TrackedFaces,
        qualities: Qualities,
        *,
        rows: Sequence[int],
        engine: Engine | None = None,
    ) -> Scores:
        """Score the given rows of ``tracked`` whose quality weighs more than 0, the others are rejected.

        Args:
            pixels: (H, W, 3) RGB uint8, the frame that the faces are in.
            tracked: faces of that frame.
            qualities: rows align with ``tracked``.
            rows: the faces that are due.
            engine: what ``self.engine`` was when the frame began; default: what it is now.

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
        sound = np.isfinite(logits) & np.isfinite(maps).all(axis=(1, 2))
        rejected |= dict.fromkeys(ids[usable[~sound]].tolist(), (Reason.ENGINE_DEGRADED,))
        return Scores(
            track_ids=ids[usable[sound]],
            log_odds=log_odds[sound],
            evidence_maps=scale * maps[sound],
            crops=squares[sound],
            weights=qualities.weights[usable[sound]],
            rejected=rejected,
            parts=(ClassifierScores(classifier=card.id, logits=logits[sound], log_odds=log_odds[sound]),),
        )

    def _run(self, engine: Engine, crops: Pixels) -> tuple[Floats, Floats]:
        """Logits (N,) and evidence maps (N, h, w); all NaN where the engine failed."""
        failure: EngineError | None = None
        call: object = None  # the same for all streams that shared it
        try:
            logits, maps = engine.run(crops)
        except EngineError as error:
            failure, call = error, error.__cause__ or error
            logits, maps = _nan((len(crops),)), _nan((len(crops), 1, 1))
        else:
            if not (np.isfinite(logits).all() and np.isfinite(maps).all()):
                failure = EngineError(f"{engine.name} gave a score that is no number")
                call = logits if logits.base is None else logits.base
        self._count(failure, engine.name, call=call)
        return logits, maps

    def _count(self, failure: EngineError | None, name: str, *, call: object) -> None:
        with self._counting:
            if failure is None:
                self._failures = 0
                self._counted.clear()
                return
            if any(call is before for before in self._counted):
                return
            self._counted.append(call)
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
