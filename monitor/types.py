"""The vocabulary: one frozen value per stage of the river.

``Frame -> Faces -> TrackedFaces (+ Qualities) -> Scores -> Verdict, LabelChange -> Segment -> Observation``

Arrays state shape, dtype, order and range beside their field; they are checked once at birth and
then trusted. Boxes are pixels of the full frame, ``x1 y1 x2 y2``, x to the right, y down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


class Label(StrEnum):
    """What is said of a face, or of a whole source. Severity grows from top to bottom."""

    NOT_ENOUGH_EVIDENCE = "NOT_ENOUGH_EVIDENCE"
    LIKELY_REAL = "LIKELY_REAL"
    SUSPICIOUS = "SUSPICIOUS"
    LIKELY_FAKE = "LIKELY_FAKE"

    @property
    def severity(self) -> int:
        """0 for NOT_ENOUGH_EVIDENCE up to 3 for LIKELY_FAKE."""
        return list(Label).index(self)

    @property
    def suspects(self) -> bool:
        """Whether this label accuses: SUSPICIOUS or LIKELY_FAKE."""
        return self in (Label.SUSPICIOUS, Label.LIKELY_FAKE)

    @property
    def in_words(self) -> str:
        """What a person reads: "likely fake"."""
        return self.value.replace("_", " ").lower()


class Reason(StrEnum):
    """Why there is not enough evidence, or why what there is weighs less."""

    NO_FACE = "NO_FACE"
    TOO_SMALL = "TOO_SMALL"
    TOO_BLURRED = "TOO_BLURRED"
    TOO_DARK = "TOO_DARK"
    PROFILE_POSE = "PROFILE_POSE"
    OUT_OF_FRAME = "OUT_OF_FRAME"
    UNCERTAIN_FACE = "UNCERTAIN_FACE"
    TOO_FEW_SAMPLES = "TOO_FEW_SAMPLES"
    SINGLE_IMAGE = "SINGLE_IMAGE"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_SEEN = "NOT_SEEN"
    ENGINE_DEGRADED = "ENGINE_DEGRADED"

    @property
    def in_words(self) -> str:
        """What a person reads: "face too small"."""
        return _REASONS_IN_WORDS[self]


_REASONS_IN_WORDS = {
    Reason.NO_FACE: "no face",
    Reason.TOO_SMALL: "face too small",
    Reason.TOO_BLURRED: "face too blurred",
    Reason.TOO_DARK: "face too dark",
    Reason.PROFILE_POSE: "face turned away",
    Reason.OUT_OF_FRAME: "face cut off by the frame",
    Reason.UNCERTAIN_FACE: "not clearly a face",
    Reason.TOO_FEW_SAMPLES: "too few samples",
    Reason.SINGLE_IMAGE: "a single picture",
    Reason.INCONCLUSIVE: "leans neither way",
    Reason.NOT_SEEN: "not seen well lately",
    Reason.ENGINE_DEGRADED: "engine degraded",
}


def _require(array: NDArray[Any], shape: tuple[int | None, ...], name: str) -> None:
    if array.ndim != len(shape) or any(
        want is not None and want != got for want, got in zip(shape, array.shape, strict=True)
    ):
        msg = f"{name} must have shape {shape}, got {array.shape}"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture and when it belongs.

    ``media_time`` is seconds on the source's own clock (PTS, counted from its first frame);
    ``captured_at`` is when this machine received it, UTC. ``source`` is masked: no credentials.
    """

    pixels: Pixels  # (H, W, 3) RGB, read-only
    index: int  # 0-based position in the source
    media_time: float
    captured_at: datetime
    source: str

    def __post_init__(self) -> None:
        _require(self.pixels, (None, None, 3), "pixels")
        if self.pixels.dtype != np.uint8:
            msg = f"pixels must be uint8, got {self.pixels.dtype}"
            raise ValueError(msg)
        self.pixels.flags.writeable = False

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a source once it is open. Unknown numbers are None, never guessed."""

    name: str  # masked: fit to be shown and stored
    kind: str  # file, image, folder, webcam, rtsp, http, screen, demo
    live: bool  # newest frame wins; else every frame counts, in order
    width: int
    height: int
    fps: float | None  # average frames per second of media time
    duration: float | None  # seconds of media time
    frame_count: int | None  # an estimate from the container
    path: Path | None  # the local file, if it is one
    has_audio: bool = False
    still: bool = False  # one picture: judged on one sample, and said so
    synthetic: bool = False  # made by this program (demo:)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt scaling from a model card: calibrated log-odds = ``scale * logit + shift``."""

    scale: float = 1.0
    shift: float = 0.0

    def log_odds(self, logit: float) -> float:
        """What one score says, natural log-odds of "fake"."""
        return self.scale * logit + self.shift

    def probability(self, logit: float) -> float:
        """What one score says, P(fake)."""
        return 0.5 + 0.5 * math.tanh(self.log_odds(logit) / 2.0)


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """What a detector found in one frame, best first."""

    boxes: Floats  # (N, 4) x1 y1 x2 y2, pixels, may reach outside the frame
    probabilities: Floats  # (N,) 0..1
    landmarks: Floats  # (N, 5, 2) x y: left eye, right eye, nose, left and right mouth corner (as seen)

    def __post_init__(self) -> None:
        n = len(self.boxes)
        _require(self.boxes, (n, 4), "boxes")
        _require(self.probabilities, (n,), "probabilities")
        _require(self.landmarks, (n, 5, 2), "landmarks")

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
    """Faces of one frame, each with the stable id of its track. Ids are never reused."""

    faces: Faces
    track_ids: NDArray[np.int64]  # (N,) unique, > 0

    def __post_init__(self) -> None:
        _require(self.track_ids, (len(self.faces),), "track_ids")

    @classmethod
    def none(cls) -> Self:
        """No tracked face."""
        return cls(faces=Faces.none(), track_ids=np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.faces)


@dataclass(frozen=True, slots=True, eq=False)
class Qualities:
    """How well each face can be judged; rows align with the faces they were measured on."""

    size: Floats  # (N,) pixels, the box's height inside the frame
    sharpness: Floats  # (N,) >= 0, see monitor.quality
    brightness: Floats  # (N,) 0..255, mean luma of the face
    yaw: Floats  # (N,) degrees, signed, 0 = frontal, estimated from five points
    pitch: Floats  # (N,) degrees, signed, estimated from five points
    roll: Floats  # (N,) degrees, signed
    weights: Floats  # (N,) 0..1, how much a score of this face should count; 0 = do not score
    reasons: tuple[tuple[Reason, ...], ...]  # why a weight is 0; empty when usable

    def __post_init__(self) -> None:
        n = len(self.reasons)
        for name in ("size", "sharpness", "brightness", "yaw", "pitch", "roll", "weights"):
            _require(getattr(self, name), (n,), name)

    def __len__(self) -> int:
        return len(self.reasons)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What the classifier said of the faces that were due in one frame.

    ``rejected`` names the tracks that were due but could not be scored, and why: they are counted,
    never guessed.
    """

    track_ids: NDArray[np.int64]  # (N,)
    logits: Floats  # (N,) natural log-odds before calibration, > 0 leans to fake
    evidence_maps: Floats  # (N, h, w) logit units, signed; mean + bias = logit (closed-form Grad-CAM)
    crops: Floats  # (N, 4) x1 y1 x2 y2, pixels: the square that the classifier saw
    weights: Floats  # (N,) 0..1
    rejected: Mapping[int, tuple[Reason, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.track_ids)
        _require(self.logits, (n,), "logits")
        _require(self.evidence_maps, (n, None, None), "evidence_maps")
        _require(self.crops, (n, 4), "crops")
        _require(self.weights, (n,), "weights")

    @classmethod
    def none(cls, rejected: Mapping[int, tuple[Reason, ...]] | None = None) -> Self:
        """No score in this frame."""
        return cls(
            track_ids=np.zeros(0, np.int64),
            logits=np.zeros(0, np.float32),
            evidence_maps=np.zeros((0, 1, 1), np.float32),
            crops=np.zeros((0, 4), np.float32),
            weights=np.zeros(0, np.float32),
            rejected=rejected or {},
        )

    def __len__(self) -> int:
        return len(self.track_ids)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of one track at one moment, and what stands behind it."""

    track_id: int
    label: Label
    probability: float | None  # calibrated P(fake), 0..1; None without a single usable sample
    samples: int  # usable samples so far
    effective_samples: float  # how many independent witnesses these amount to, now
    usable_share: float  # 0..1, usable samples / samples attempted
    reasons: tuple[Reason, ...]  # never empty for NOT_ENOUGH_EVIDENCE
    since: float  # media time of the last change of label

    def __post_init__(self) -> None:
        if self.label is Label.NOT_ENOUGH_EVIDENCE and not self.reasons:
            msg = "NOT_ENOUGH_EVIDENCE needs at least one reason"
            raise ValueError(msg)

    @property
    def confidence(self) -> float | None:
        """The calibrated probability of what the label says: P(fake), or 1 - P(fake) for LIKELY_REAL.

        None for NOT_ENOUGH_EVIDENCE: there is nothing to be confident of.
        """
        if self.probability is None or self.label is Label.NOT_ENOUGH_EVIDENCE:
            return None
        return 1.0 - self.probability if self.label is Label.LIKELY_REAL else self.probability


@dataclass(frozen=True, slots=True)
class Witness:
    """One scored sample and how far it moved the evidence."""

    frame_index: int
    media_time: float
    logit: float
    contribution: float  # log-odds, signed, after weight, calibration, correlation and forgetting


@dataclass(frozen=True, slots=True)
class LabelChange:
    """The trace of one change of label: enough to reconstruct why.

    The contributions of *all* samples that still count add up to the log-odds of ``probability``; what
    the listed witnesses leave is the sum over those not listed.
    """

    track_id: int
    frame_index: int
    media_time: float
    before: Label
    after: Label
    probability: float | None
    window: tuple[float, float]  # media times of the oldest and newest sample that still counts
    threshold: float | None  # the probability that was crossed; None when evidence ran out
    reasons: tuple[Reason, ...]
    witnesses: tuple[Witness, ...]  # the samples that moved it most, largest first
    began: float  # media time from which the evidence speaks for the new label: the change truly began here
    restarted_at: float | None  # media time of a detected jump: what was seen before it was dropped; None: no jump


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one frame did to the verdicts."""

    verdicts: tuple[Verdict, ...]  # one per track in the frame, same order
    changes: tuple[LabelChange, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A span of media time in which one track was suspicious."""

    track_id: int
    start: float
    end: float
    label: Label  # the worst that was reached
    peak: float  # highest calibrated P(fake)
    mean: float  # mean calibrated P(fake) over the scored samples
    best_frame: int  # index of the frame with the highest score
    best_time: float  # its media time

    @property
    def duration(self) -> float:
        """Seconds of media time."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class TrackSummary:
    """A whole track in one line, emitted when it ends (and for live tracks on demand)."""

    track_id: int
    first_seen: float
    last_seen: float
    verdict: Verdict  # the worst verdict with enough evidence, else the last one
    label_seconds: Mapping[Label, float]  # media time spent under each label


@dataclass(frozen=True, slots=True)
class SourceVerdict:
    """What is said of a whole stream or file: its worst track with enough evidence, never a mean over people."""

    label: Label
    probability: float | None  # of that track; None when nothing could be judged
    track_id: int | None
    reasons: tuple[Reason, ...]  # never empty for NOT_ENOUGH_EVIDENCE


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """All that one frame led to. Rows of ``qualities`` align with ``tracked``."""

    frame_index: int
    media_time: float
    tracked: TrackedFaces
    qualities: Qualities
    scores: Scores
    verdicts: tuple[Verdict, ...]  # one per row of ``tracked``, same order
    changes: tuple[LabelChange, ...]
    closed_segments: tuple[Segment, ...]  # segments that ended with this frame
    ended_tracks: tuple[TrackSummary, ...]
    engine: str  # which engine made the scores, e.g. "onnxruntime-fp32"
    detected: bool  # whether the full detector ran on this frame
    scene_cut: bool
