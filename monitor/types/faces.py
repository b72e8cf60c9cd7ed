"""The faces of one frame: detected, tracked, measured, scored."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from monitor.types.frames import Floats, require
from monitor.types.labels import Reason


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """The detected faces of one frame, best first."""

    boxes: Floats  # (N, 4) x1 y1 x2 y2, pixels, may reach outside the frame
    probabilities: Floats  # (N,) 0..1
    landmarks: Floats  # (N, 5, 2) x y: left eye, right eye, nose, left and right mouth corner (as seen)

    def __post_init__(self) -> None:
        n = len(self.boxes)
        require(self.boxes, (n, 4), "boxes")
        require(self.probabilities, (n,), "probabilities")
        require(self.landmarks, (n, 5, 2), "landmarks")

    @classmethod
    def none(cls) -> Self:
        """No face."""
        return cls(
            boxes=np.zeros((0, 4), np.float32),
            probabilities=np.zeros(0, np.float32),
            landmarks=np.zeros((0, 5, 2), np.float32),
        )

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, rows: NDArray[Any] | slice | list[int]) -> Self:
        """A selection or reordering of the faces, by mask, slice or indices."""
        return type(self)(
            boxes=self.boxes[rows],
            probabilities=self.probabilities[rows],
            landmarks=self.landmarks[rows],
        )


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFaces:
    """Faces of one frame with the stable ids of their tracks. Ids are never reused."""

    faces: Faces
    track_ids: NDArray[np.int64]  # (N,) unique, > 0

    def __post_init__(self) -> None:
        require(self.track_ids, (len(self.faces),), "track_ids")

    @classmethod
    def none(cls) -> Self:
        """No tracked face."""
        return cls(faces=Faces.none(), track_ids=np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.faces)


@dataclass(frozen=True, slots=True, eq=False)
class Qualities:
    """Quality measures of faces; rows align with the measured faces."""

    size: Floats  # (N,) pixels, the box's height inside the frame
    sharpness: Floats  # (N,) >= 0, see monitor.analysis.quality
    brightness: Floats  # (N,) 0..255, mean luma of the face
    yaw: Floats  # (N,) degrees, signed, 0 = frontal, estimated from five points
    pitch: Floats  # (N,) degrees, signed, estimated from five points
    roll: Floats  # (N,) degrees, -180..180, from upright as the face is scored
    weights: Floats  # (N,) 0..1, weight of a score of this face; 0: do not score
    reasons: tuple[tuple[Reason, ...], ...]  # reasons for a weight of 0; empty for a usable face

    def __post_init__(self) -> None:
        n = len(self.reasons)
        for name in ("size", "sharpness", "brightness", "yaw", "pitch", "roll", "weights"):
            require(getattr(self, name), (n,), name)

    @classmethod
    def none(cls) -> Self:
        """No measurements."""
        empty = np.zeros(0, np.float32)
        return cls(empty, empty, empty, empty, empty, empty, empty, reasons=())

    def __len__(self) -> int:
        return len(self.reasons)


@dataclass(frozen=True, slots=True, eq=False)
class ClassifierScores:
    """The scores of one classifier in a committee; rows align with ``Scores``."""

    classifier: str  # id on its model card
    logits: Floats  # (N,) output before calibration
    log_odds: Floats  # (N,) natural log-odds of "fake", calibrated


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Calibrated scores of the faces that were due in one frame.

    ``rejected`` holds the reasons for each due track without a score.
    """

    track_ids: NDArray[np.int64]  # (N,)
    log_odds: Floats  # (N,) natural log-odds of "fake", calibrated, fused over all classifiers
    evidence_maps: Floats  # (N, h, w) log-odds, signed; mean + bias = log-odds (closed-form Grad-CAM)
    crops: Floats  # (N, 4) x1 y1 x2 y2, pixels: the square covered by the map
    weights: Floats  # (N,) 0..1
    rejected: Mapping[int, tuple[Reason, ...]] = field(default_factory=dict)
    parts: tuple[ClassifierScores, ...] = ()  # per classifier

    def __post_init__(self) -> None:
        n = len(self.track_ids)
        require(self.log_odds, (n,), "log_odds")
        for part in self.parts:
            require(part.log_odds, (n,), "parts.log_odds")
        require(self.evidence_maps, (n, None, None), "evidence_maps")
        require(self.crops, (n, 4), "crops")
        require(self.weights, (n,), "weights")

    @classmethod
    def none(cls, rejected: Mapping[int, tuple[Reason, ...]] | None = None) -> Self:
        """No score in this frame."""
        return cls(
            track_ids=np.zeros(0, np.int64),
            log_odds=np.zeros(0, np.float32),
            evidence_maps=np.zeros((0, 1, 1), np.float32),
            crops=np.zeros((0, 4), np.float32),
            weights=np.zeros(0, np.float32),
            rejected=rejected or {},
        )

    def __len__(self) -> int:
        return len(self.track_ids)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt scaling from a model card: calibrated log-odds = ``scale * logit + shift``."""

    scale: float = 1.0  # factor of the logit
    shift: float = 0.0  # log-odds added

    def log_odds(self, logit: float) -> float:
        """The calibrated natural log-odds of "fake"."""
        return self.scale * logit + self.shift

    def probability(self, logit: float) -> float:
        """The calibrated P(fake)."""
        return sigmoid(self.log_odds(logit))


def sigmoid(log_odds: float) -> float:
    """The probability for natural log-odds."""
    return 0.5 + 0.5 * math.tanh(log_odds / 2.0)


@dataclass(frozen=True, slots=True)
class ScoreProcess:
    """Statistics of a classifier's scores of one face over time, from its model card.

    ``monitor.analysis.verdicts`` has the equations.
    """

    correlation_time: float = 0.3  # time constant of the correlation between two scores, seconds of media time
    max_effective_samples: float = 2.0  # effective sample size at which evidence saturates
    min_effective_samples: float = 1.1  # minimum effective sample size for a label; lower: TOO_FEW_SAMPLES
    max_sample_logit: float = 4.0  # maximum absolute evidence of one sample, log-odds
    change_threshold: float = 5.0  # log-likelihood ratio at which a change discards all earlier samples

    def __post_init__(self) -> None:
        if not min(self.correlation_time, self.max_sample_logit, self.change_threshold) > 0:
            raise ValueError("correlation_time, max_sample_logit and change_threshold must be > 0")
        if self.max_effective_samples < 1:
            raise ValueError("max_effective_samples must be >= 1")
        if not 0 <= self.min_effective_samples < self.max_effective_samples:
            raise ValueError("min_effective_samples < max_effective_samples must hold, or no face is ever judged")
