"""Verdicts over time: on a face, a span and a source, and the complete result of one frame."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from monitor.types.faces import Qualities, Scores, TrackedFaces
from monitor.types.hints import Hint
from monitor.types.labels import Label, Reason
from monitor.types.serialise import HIDDEN, LOG_ODDS, PROBABILITY, Serialisable, all_keys, inlined


@dataclass(frozen=True, slots=True)
class ClassifierVerdict(Serialisable):
    """The P(fake) of a track by one classifier of a committee alone, from the same samples."""

    classifier: str  # id on its model card
    probability: float = field(metadata=PROBABILITY)  # calibrated P(fake)


@dataclass(frozen=True, slots=True)
class Verdict(Serialisable):
    """The verdict on one track at one moment, with its evidence."""

    track_id: int  # of the face; never reused within a source
    label: Label  # of the track
    probability: float | None = field(metadata=PROBABILITY)  # calibrated P(fake); None without a usable sample
    samples: int  # usable samples so far
    effective_samples: float  # effective number of independent samples
    usable_share: float = field(metadata=PROBABILITY)  # 0..1, usable samples / samples attempted
    reasons: tuple[Reason, ...]  # why there is not enough evidence, or what weakens it; never empty in the first case
    since: float  # media time of the last change of label
    classifiers: tuple[ClassifierVerdict, ...] = ()  # of each classifier of a committee; empty for a single classifier
    _shown: ClassVar = {"confidence": 4}

    def __post_init__(self) -> None:
        if self.label is Label.NOT_ENOUGH_EVIDENCE and not self.reasons:
            raise ValueError("NOT_ENOUGH_EVIDENCE needs at least one reason")

    @property
    def confidence(self) -> float | None:
        """The calibrated probability of the label: P(fake), or 1 - P(fake) for LIKELY_REAL.

        None for NOT_ENOUGH_EVIDENCE, and below 0.5: the label is about to change, because it follows its probability
        after the debounce.
        """
        if self.probability is None or self.label is Label.NOT_ENOUGH_EVIDENCE:
            return None
        confidence = 1.0 - self.probability if self.label is Label.LIKELY_REAL else self.probability
        return confidence if confidence >= 0.5 else None


@dataclass(frozen=True, slots=True)
class ScoredSample(Serialisable):
    """One scored sample with its contribution to the evidence."""

    frame_index: int  # 0-based position in the source
    media_time: float  # seconds
    log_odds: float = field(metadata=LOG_ODDS)  # calibrated, clipped to the model card's max_sample_logit
    # log-odds, signed, after weight, correlation and forgetting
    contribution: float = field(metadata=LOG_ODDS)


@dataclass(frozen=True, slots=True)
class LabelChange(Serialisable):
    """The trace of one label change, for its reconstruction.

    The contributions of *all* remaining samples add up to the log-odds of ``probability``; the difference to the sum of
    the listed samples comes from the samples that are not listed.
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
    witnesses: tuple[ScoredSample, ...]  # the samples with the largest contributions, largest first
    began: float  # media time from which the evidence supports the new label: estimated start of the change
    restarted_at: float | None  # media time of a change point, which drops all earlier samples; None: no change point


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdicts of one frame."""

    verdicts: tuple[Verdict, ...]  # one per track in the frame, same order
    changes: tuple[LabelChange, ...]


@dataclass(frozen=True, slots=True)
class Segment(Serialisable):
    """A span of media time in which one track was suspicious."""

    track_id: int  # of the face
    start: float  # media time, seconds
    end: float  # media time, seconds
    label: Label  # the worst that was reached
    peak: float = field(metadata=PROBABILITY)  # highest calibrated score of one sample alone, not P(fake) of the track
    mean: float = field(metadata=PROBABILITY)  # mean of the calibrated scores of the samples alone
    best_frame: int  # index of the frame with the highest score
    best_time: float  # its media time
    _shown: ClassVar = {"duration": 3}

    @property
    def duration(self) -> float:
        """Seconds of media time."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class TrackSummary(Serialisable):
    """The summary of a whole track, emitted when it ends (and for live tracks on demand)."""

    track_id: int  # of the face; never reused within a source
    first_seen: float  # media time, seconds
    last_seen: float  # media time, seconds
    verdict: Verdict = field(metadata=inlined(without=["since"]))  # the worst with enough evidence, else the last
    label_seconds: Mapping[Label, float] = field(metadata=all_keys(Label))  # media time spent under each label


@dataclass(frozen=True, slots=True)
class SourceVerdict(Serialisable):
    """The verdict on a whole stream or file: its worst track with enough evidence, never a mean over people."""

    label: Label  # of the track that decides
    probability: float | None = field(metadata=PROBABILITY)  # its P(fake); None when nothing could be judged
    track_id: int | None  # that track; None: none decides
    reasons: tuple[Reason, ...]  # why there is not enough evidence, or what weakens it; never empty in the first case


@dataclass(frozen=True, slots=True, eq=False)
class Observation(Serialisable):
    """The complete result of one frame.

    Faces are measured only in the frames in which they are due to be scored: then the rows of ``qualities`` align with
    ``tracked``; in other frames there are no rows.
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
        """Track id to box, x1 y1 x2 y2, pixels of the frame."""
        return dict(zip(self.tracked.track_ids.tolist(), map(tuple, self.tracked.faces.boxes.tolist()), strict=True))
