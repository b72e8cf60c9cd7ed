"""What is said over time: of a face, of a span, of a source, and all that one frame led to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from monitor.types.faces import Qualities, Scores, TrackedFaces
from monitor.types.hints import Hint
from monitor.types.labels import Label, Reason
from monitor.types.serialise import HIDDEN, LOG_ODDS, PROBABILITY, Serialisable, all_keys, inlined


@dataclass(frozen=True, slots=True)
class Verdict(Serialisable):
    """What is said of one track at one moment, and what stands behind it."""

    track_id: int  # of the face; never reused within a source
    label: Label  # what is said of the track
    probability: float | None = field(metadata=PROBABILITY)  # calibrated P(fake); None without a usable sample
    samples: int  # usable samples so far
    effective_samples: float  # how many independent witnesses these amount to, now
    usable_share: float = field(metadata=PROBABILITY)  # 0..1, usable samples / samples attempted
    reasons: tuple[Reason, ...]  # why there is not enough evidence, or what weakens it; never empty in the first case
    since: float  # media time of the last change of label
    _shown: ClassVar = {"confidence": 4}

    def __post_init__(self) -> None:
        if self.label is Label.NOT_ENOUGH_EVIDENCE and not self.reasons:
            raise ValueError("NOT_ENOUGH_EVIDENCE needs at least one reason")

    @property
    def confidence(self) -> float | None:
        """The calibrated probability of what the label says: P(fake), or 1 - P(fake) for LIKELY_REAL.

        None for NOT_ENOUGH_EVIDENCE: there is nothing to be confident of.
        """
        if self.probability is None or self.label is Label.NOT_ENOUGH_EVIDENCE:
            return None
        return 1.0 - self.probability if self.label is Label.LIKELY_REAL else self.probability


@dataclass(frozen=True, slots=True)
class ScoredSample(Serialisable):
    """One scored sample and how far it moved the evidence."""

    frame_index: int  # 0-based position in the source
    media_time: float  # seconds
    log_odds: float = field(metadata=LOG_ODDS)  # calibrated, clipped to the model card's max_sample_logit
    # log-odds, signed, after weight, correlation and forgetting
    contribution: float = field(metadata=LOG_ODDS)


@dataclass(frozen=True, slots=True)
class LabelChange(Serialisable):
    """The trace of one change of label: enough to reconstruct why.

    The contributions of *all* samples that still count add up to the log-odds of ``probability``; what
    the listed witnesses leave is the sum over those not listed.
    """

    track_id: int  # of the face
    frame_index: int  # of the frame that changed the label
    media_time: float  # of that frame, seconds
    before: Label  # the label until then
    after: Label  # the label from then on
    probability: float | None = field(metadata=PROBABILITY)  # calibrated P(fake) then; None without a usable sample
    window: tuple[float, float]  # media times of the oldest and newest sample that still counts
    threshold: float | None = field(metadata=PROBABILITY)  # the probability crossed; None when evidence ran out
    reasons: tuple[Reason, ...]  # why evidence ran out, or what weakens it
    witnesses: tuple[ScoredSample, ...]  # the samples that moved it most, largest first
    began: float  # media time from which the evidence speaks for the new label: the change truly began here
    restarted_at: float | None  # media time of a detected jump: what was seen before it was dropped; None: no jump


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one frame did to the verdicts."""

    verdicts: tuple[Verdict, ...]  # one per track in the frame, same order
    changes: tuple[LabelChange, ...]


@dataclass(frozen=True, slots=True)
class Segment(Serialisable):
    """A span of media time in which one track was suspicious."""

    track_id: int  # of the face
    start: float  # media time, seconds
    end: float  # media time, seconds
    label: Label  # the worst that was reached
    peak: float = field(metadata=PROBABILITY)  # highest calibrated P(fake)
    mean: float = field(metadata=PROBABILITY)  # mean calibrated P(fake) over the scored samples
    best_frame: int  # index of the frame with the highest score
    best_time: float  # its media time
    _shown: ClassVar = {"duration": 3}

    @property
    def duration(self) -> float:
        """Seconds of media time."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class TrackSummary(Serialisable):
    """A whole track in one line, emitted when it ends (and for live tracks on demand)."""

    track_id: int  # of the face; never reused within a source
    first_seen: float  # media time, seconds
    last_seen: float  # media time, seconds
    verdict: Verdict = field(metadata=inlined(without=["since"]))  # the worst with enough evidence, else the last
    label_seconds: Mapping[Label, float] = field(metadata=all_keys(Label))  # media time spent under each label


@dataclass(frozen=True, slots=True)
class SourceVerdict(Serialisable):
    """What is said of a whole stream or file: its worst track with enough evidence, never a mean over people."""

    label: Label  # of the track that decides
    probability: float | None = field(metadata=PROBABILITY)  # its P(fake); None when nothing could be judged
    track_id: int | None  # that track; None: none decides
    reasons: tuple[Reason, ...]  # why there is not enough evidence, or what weakens it; never empty in the first case


@dataclass(frozen=True, slots=True, eq=False)
class Observation(Serialisable):
    """All that one frame led to.

    Faces are measured when they are due to be scored: then the rows of ``qualities`` align with
    ``tracked``, in the frames between there are none.
    """

    frame_index: int  # 0-based position in the source
    media_time: float  # seconds
    tracked: TrackedFaces = field(metadata=HIDDEN)  # as JSON: ``boxes``
    qualities: Qualities = field(metadata=HIDDEN)
    scores: Scores = field(metadata=HIDDEN)
    verdicts: tuple[Verdict, ...]  # one per face, in the order of ``boxes``
    changes: tuple[LabelChange, ...]  # changes of a label with this frame
    closed_segments: tuple[Segment, ...]  # segments that ended with this frame
    ended_tracks: tuple[TrackSummary, ...]  # tracks that ended with this frame
    engine: str  # which engine made the scores, e.g. "onnxruntime-fp32"
    detected: bool  # whether the full detector ran on this frame
    scene_cut: bool  # whether the picture changed as a whole
    hints: tuple[Hint, ...] = ()  # that hold now, of the stream itself
    hint_changes: tuple[Hint, ...] = ()  # that began with this frame (``end`` is None), or ended with it
    _shown: ClassVar = {"boxes": 1}

    @property
    def boxes(self) -> Mapping[int, tuple[float, ...]]:
        """Where each face is: track id to x1 y1 x2 y2, pixels of the frame."""
        return dict(zip(self.tracked.track_ids.tolist(), map(tuple, self.tracked.faces.boxes.tolist()), strict=True))
