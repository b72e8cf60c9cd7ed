"""The program's result for one labelled file or face crop, with the truth.

Every file has one of three results, and none is dropped: a decision (LIKELY_REAL, SUSPICIOUS, LIKELY_FAKE), an
abstention (NOT_ENOUGH_EVIDENCE, with reasons), or a failure (it could not be read). An abstention can still have a
probability: inconclusive evidence ranks a file without deciding it. It has none only if there was no usable face.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monitor.errors import DatasetError
from monitor.types import Label, Reason

if TYPE_CHECKING:
    from monitor.settings import VerdictSettings

TIED = 0.5  # score of a file without a probability, when every file is ranked


@dataclass(frozen=True, slots=True)
class MediaSpan:
    """A span of media time in seconds, ``start <= end``."""

    start: float
    end: float

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class ScoredFrame:
    """One frame in which at least one face was scheduled for scoring."""

    media_time: float
    label: Label  # of the worst face in the frame
    probability: float | None  # highest P(fake) of the faces' verdicts; None without one
    sample: float | None  # highest calibrated P(fake) of the frame's single scores; None without one


@dataclass(frozen=True, slots=True)
class VideoTimeline:
    """The results of a video over time."""

    duration: float  # analysed media time, seconds
    frames: int
    faces: int  # tracks
    fake_spans: tuple[MediaSpan, ...] | None  # the truth; None: the label applies to the whole file
    alarms: tuple[MediaSpan, ...]  # suspicious spans; overlapping spans of several faces are merged
    moments: tuple[ScoredFrame, ...]  # ordered by time
    face_seconds: float  # media time under any label, summed over faces
    abstaining_seconds: float  # of these, under NOT_ENOUGH_EVIDENCE
    flips: int  # changes of a face's label after its first decision, summed over faces
    ended_early: str = ""  # reason, if the file ended early


@dataclass(frozen=True, slots=True)
class Outcome:
    """One evaluated file or crop."""

    dataset: str
    id: str  # unique within the data set
    path: str  # path in the data set; may be "" for crops
    label: int  # the truth: 1 fake, 0 real
    method: str  # manipulation method; "" for real
    group: str  # resampled together; "": the file is its own group
    decision: Label | None  # None: failure
    probability: float | None  # calibrated P(fake), 0..1; of a video: the highest mean of a face
    reasons: tuple[Reason, ...] = ()  # reasons of an abstention
    failure: str = ""  # why it could not be read; else empty
    logit: float | None = None  # crops only: uncalibrated log-odds
    footage: VideoTimeline | None = None  # videos only
    picture: bytes | None = None  # a small JPEG of the face with the highest score

    def __post_init__(self) -> None:
        if (self.decision is None) != bool(self.failure):
            raise ValueError(f"{self.id}: an outcome either has a decision or a failure")
        if self.label not in (0, 1):
            raise DatasetError(
                f"{self.dataset}/{self.id}: the label is {self.label!r}, it must be 1 (fake) or 0 (real)"
            )

    @property
    def unit(self) -> str:
        """The resampling unit: the group, or else the file."""
        return f"{self.dataset}/{self.group or self.id}"

    @property
    def failed(self) -> bool:
        """Whether it could not be read."""
        return self.decision is None

    @property
    def abstained(self) -> bool:
        """Whether the program abstained."""
        return self.decision is Label.NOT_ENOUGH_EVIDENCE

    @property
    def accused(self) -> bool:
        """Whether it was called SUSPICIOUS or LIKELY_FAKE."""
        return self.decision is not None and self.decision.suspects

    @property
    def loss(self) -> float | None:
        """Distance of the probability from the truth, 0..1; None without a probability."""
        return None if self.probability is None else abs(self.label - self.probability)


def decide(probability: float, settings: VerdictSettings) -> tuple[Label, tuple[Reason, ...]]:
    """The label of a single score by the shipped thresholds, as for a still picture."""
    if probability >= settings.fake_at:
        return Label.LIKELY_FAKE, ()
    if probability >= settings.suspicious_at:
        return Label.SUSPICIOUS, ()
    if probability <= settings.real_at:
        return Label.LIKELY_REAL, ()
    return Label.NOT_ENOUGH_EVIDENCE, (Reason.INCONCLUSIVE,)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Outcomes without failures as arrays; rows in the order of ``outcomes``."""

    outcomes: tuple[Outcome, ...]
    labels: NDArray[np.int64]  # (N,) 1 fake, 0 real
    probabilities: NDArray[np.float64]  # (N,) calibrated P(fake), NaN without one
    accused: NDArray[np.bool_]  # (N,)
    abstained: NDArray[np.bool_]  # (N,)
    units: NDArray[np.int64]  # (N,) number of the group

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Columns:
        """Arrays of the outcomes that are not failures."""
        kept = tuple(outcome for outcome in outcomes if not outcome.failed)
        return cls(
            outcomes=kept,
            labels=np.array([one.label for one in kept], np.int64),
            probabilities=np.array([np.nan if one.probability is None else one.probability for one in kept]),
            accused=np.array([one.accused for one in kept], np.bool_),
            abstained=np.array([one.abstained for one in kept], np.bool_),
            units=numbered([one.unit for one in kept]),
        )

    def __len__(self) -> int:
        return len(self.outcomes)

    @property
    def ranked(self) -> NDArray[np.bool_]:
        """(N,) rows that have a probability."""
        return ~np.isnan(self.probabilities)

    @property
    def tied(self) -> NDArray[np.float64]:
        """(N,) probabilities, 0.5 where there is none."""
        return np.where(self.ranked, self.probabilities, TIED)


def numbered(names: Sequence[Any]) -> NDArray[np.int64]:
    """Integer codes (N,) of names, one per distinct name."""
    if not len(names):
        return np.zeros(0, np.int64)
    return np.unique(np.array(names, np.str_), return_inverse=True)[1].astype(np.int64)
