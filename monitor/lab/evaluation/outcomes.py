"""What the program said of one labelled file or face crop, beside the truth.

Three things can happen to a file, and none is ever dropped: it is decided (LIKELY_REAL, SUSPICIOUS,
LIKELY_FAKE), the program abstains (NOT_ENOUGH_EVIDENCE, with its reasons), or it fails (it could not be
read). An abstention may still carry a probability: evidence that leans neither way ranks a file without
deciding it. Only without any usable face is there none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.errors import DatasetError
from monitor.types import Label, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from monitor.settings import VerdictSettings

TIED = 0.5  # the score of a file without any, where "every file is ranked" is asked for


@dataclass(frozen=True, slots=True)
class MediaSpan:
    """Seconds of media time, ``start <= end``."""

    start: float
    end: float

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class ScoredFrame:
    """One frame in which a face was due to be scored."""

    media_time: float
    label: Label  # the worst label of the faces in the frame
    probability: float | None  # the highest P(fake) of these faces' verdicts; None without one
    sample: float | None  # the highest calibrated P(fake) of the single scores of this frame; None if none was usable


@dataclass(frozen=True, slots=True)
class VideoTimeline:
    """What only a video has: time."""

    duration: float  # seconds of media time that were analysed
    frames: int
    faces: int  # tracks
    fake_spans: tuple[MediaSpan, ...] | None  # the truth; None: the whole file carries its label
    alarms: tuple[MediaSpan, ...]  # suspicious spans, those of several faces joined where they overlap
    moments: tuple[ScoredFrame, ...]  # in order of time
    face_seconds: float  # media time under any label, summed over faces
    abstaining_seconds: float  # the part of it under NOT_ENOUGH_EVIDENCE
    flips: int  # changes of a face's label after its first decision, summed over faces
    ended_early: str = ""  # why, if the file broke off before its end


@dataclass(frozen=True, slots=True)
class Outcome:
    """One evaluated file or crop."""

    dataset: str
    id: str  # unique within the data set
    path: str  # as the data set names it; may be "" for crops
    label: int  # the truth: 1 fake, 0 real
    method: str  # of the fake; "" for real
    group: str  # what intervals resample together; "" stands for the id alone
    decision: Label | None  # None: it failed
    probability: float | None  # calibrated P(fake), 0..1; a video's: its highest face's mean; None without one
    reasons: tuple[Reason, ...] = ()  # why the program abstained
    failure: str = ""  # why it could not be read; empty if it could
    logit: float | None = None  # crops: the classifier's own log-odds, before calibration
    footage: VideoTimeline | None = None  # videos only
    picture: bytes | None = None  # a small JPEG of the face that was scored highest

    def __post_init__(self) -> None:
        if (self.decision is None) != bool(self.failure):
            msg = f"{self.id}: an outcome either has a decision or a failure"
            raise ValueError(msg)
        if self.label not in (0, 1):
            msg = f"{self.dataset}/{self.id}: the label is {self.label!r}, it must be 1 (fake) or 0 (real)"
            raise DatasetError(msg)

    @property
    def unit(self) -> str:
        """What intervals resample: the group, or the file itself."""
        return f"{self.dataset}/{self.group or self.id}"

    @property
    def failed(self) -> bool:
        """Whether it could not be read."""
        return self.decision is None

    @property
    def abstained(self) -> bool:
        """Whether the program said that it does not know."""
        return self.decision is Label.NOT_ENOUGH_EVIDENCE

    @property
    def accused(self) -> bool:
        """Whether it was called SUSPICIOUS or LIKELY_FAKE."""
        return self.decision is not None and self.decision.suspects

    @property
    def loss(self) -> float | None:
        """How far the probability lies on the wrong side, 0..1; None without one."""
        return None if self.probability is None else abs(self.label - self.probability)


def decide(probability: float, settings: VerdictSettings) -> tuple[Label, tuple[Reason, ...]]:
    """The label of a single score by the shipped thresholds, as a still picture gets it."""
    if probability >= settings.fake_at:
        return Label.LIKELY_FAKE, ()
    if probability >= settings.suspicious_at:
        return Label.SUSPICIOUS, ()
    if probability <= settings.real_at:
        return Label.LIKELY_REAL, ()
    return Label.NOT_ENOUGH_EVIDENCE, (Reason.INCONCLUSIVE,)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Outcomes as arrays, failures left out; rows in the order of ``outcomes``."""

    outcomes: tuple[Outcome, ...]
    labels: NDArray[np.int64]  # (N,) 1 fake, 0 real
    probabilities: NDArray[np.float64]  # (N,) calibrated P(fake), NaN without one
    accused: NDArray[np.bool_]  # (N,)
    abstained: NDArray[np.bool_]  # (N,)
    units: NDArray[np.int64]  # (N,) number of the group

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Columns:
        """Outcomes that did not fail, column by column."""
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
    """A number for each distinct name, (N,)."""
    if not len(names):
        return np.zeros(0, np.int64)
    return np.unique(np.array(names, np.str_), return_inverse=True)[1].astype(np.int64)
