"""Checks regularly that the running engine still gives the measured logits for a genuine and a blended face.

Both logits must match those on the model card. This is stronger than a comparison of the two faces: an engine with
drifted scores is no longer calibrated, even if it still ranks the two faces correctly; and good weights may rank these
two faces by a small margin.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Final

import numpy as np

from monitor.analysis.pipeline import Engines
from monitor.analysis.scores import Scorer
from monitor.classifiers.crops import crop_faces
from monitor.errors import MonitorError
from monitor.media.sources import DEMO_FACE_BOX, demo_faces

# logits; bf16 moves these faces by up to 0.010, another runtime by 0.0005 (docs/measurements.md)
TOLERANCE: Final = 0.1

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FaceLogits:
    """The logits of the two faces."""

    genuine: float
    blended: float

    def __str__(self) -> str:
        return f"genuine {self.genuine:+.3f}, blended {self.blended:+.3f}"

    def differs_from(self, other: "FaceLogits") -> bool:
        """Whether one logit differs by more than the tolerance, or is not a finite number."""
        gaps = (self.genuine - other.genuine, self.blended - other.blended)
        return not all(abs(gap) <= TOLERANCE for gap in gaps)


@dataclass(frozen=True, slots=True)
class HeartbeatResult:
    """The result of one test."""

    at: datetime  # UTC
    healthy: bool
    why: str  # one sentence, also for a healthy engine
    scored: FaceLogits | None  # logits of the first classifier; None: an engine gave no scores
    seconds: float  # duration of scoring the two faces


class Heartbeat:
    """Tests the engines that score the frames.

    Args:
        engines: returns the engines; may load them, which may take a minute.
        max_age: seconds (wall clock) after which a result is outdated.
    """

    def __init__(self, engines: Callable[[], Engines], *, max_age: float = math.inf) -> None:
        self._engines, self._max_age = engines, max_age
        self._first: dict[str, FaceLogits] = {}  # by card id
        self._lock = threading.Lock()
        self._last: HeartbeatResult | None = None
        self._last_at = 0.0  # time.monotonic() of the last result

    @property
    def last(self) -> HeartbeatResult | None:
        """The last result; an outdated one counts as unhealthy."""
        beat = self._last
        if beat is None or (age := time.monotonic() - self._last_at) <= self._max_age:
            return beat
        why = f"the last beat was {age:.0f} s ago: the engine hangs; restart the program"
        return replace(beat, healthy=False, why=why)

    def beat(self) -> HeartbeatResult:
        """Run the test; a change of the result is logged."""
        with self._lock:
            began = time.monotonic()
            scored = None
            try:
                engines = self._engines()
                began = time.monotonic()
                results = [(scorer, score(scorer)) for scorer in engines.scorers]
                scored = results[0][1]
                healthy, why = self._judge_all(results)
            except MonitorError as error:
                healthy, why = False, str(error)
            beat = HeartbeatResult(datetime.now(UTC), healthy, why, scored, time.monotonic() - began)
            self._last_at = time.monotonic()
            before, self._last = self._last, beat
        if not healthy:
            _log.error("heartbeat: %s", why)
        elif before is None or not before.healthy:
            _log.info("heartbeat: %s", why)
        return beat

    def _judge_all(self, results: Sequence[tuple[Scorer, FaceLogits]]) -> tuple[bool, str]:
        """Whether all engines are healthy, and a sentence on all of them or on the first unhealthy one."""
        found = [self._judge(scorer, scored) for scorer, scored in results]
        broken = [why for healthy, why in found if not healthy]
        return not broken, broken[0] if broken else "; ".join(why for _, why in found)

    def _judge(self, scorer: Scorer, scored: FaceLogits) -> tuple[bool, str]:
        card, name = scorer.classifier.card, scorer.engine.name
        if card.demo_logits is not None:
            expected, since = FaceLogits(**card.demo_logits.model_dump()), "when their card was written"
        elif abs(scored.blended - scored.genuine) < 1e-6 or not np.isfinite(scored.blended + scored.genuine):
            return False, f"{name} with {card.id} scores a genuine and a blended face the same: {scored}"
        else:
            expected, since = (
                self._first.setdefault(card.id, scored),
                "at the first beat (their card has no demo_logits)",
            )
        if scored.differs_from(expected):
            return False, (
                f"{name} no longer scores as {card.id} did {since}: {scored} instead of {expected}; trust no "
                "verdict, restart the program, and empty the engine cache if that does not help"
            )
        return True, f"{name} scores as {card.id} did {since}: {scored}"


def score(scorer: Scorer) -> FaceLogits:
    """One classifier's logits of the demo's two faces, in one batch of two.

    Raises:
        EngineError: the engine failed.
    """
    classifier = scorer.classifier
    box = np.array([DEMO_FACE_BOX], np.float32)
    crops = [
        crop_faces(picture, box, policy=classifier.card.crop, size=classifier.input_size)[0] for picture in _pictures()
    ]
    logits, *_ = scorer.engine.run(np.concatenate(crops))
    return FaceLogits(genuine=float(logits[0]), blended=float(logits[1]))


_pictures = cache(demo_faces)
