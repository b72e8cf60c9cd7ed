"""The content of ``report.json``; ``report.schema.json`` is its schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from monitor import __version__
from monitor.types import (
    ContentCredentials,
    Hint,
    Label,
    LabelChange,
    ScoreProcess,
    Segment,
    SourceInfo,
    SourceVerdict,
    TrackSummary,
)
from monitor.types.faces import Calibration
from monitor.types.formatting import percent, reasons_in_words
from monitor.types.serialise import COUNT, DIGITS, EXACT, PROBABILITY, SHA256, Serialisable, inlined

if TYPE_CHECKING:
    from monitor.classifiers.committee import Committee
    from monitor.classifiers.model_card import ModelCard

SCHEMA_VERSION: Final = "2.0"  # the major number changes when a reader of older reports would misread a newer report


@dataclass(frozen=True, slots=True)
class Program(Serialisable):
    """The program that wrote the report."""

    name: str = "deepfake-monitor"  # of the program
    version: str = __version__  # of the program


@dataclass(frozen=True, slots=True)
class AnalysedSource(Serialisable):
    """The analysed source."""

    info: SourceInfo = field(metadata=inlined())
    sha256: str | None = field(metadata=SHA256)  # of the file, hexadecimal; None: the source is no single local file
    bytes: int | None = field(metadata=COUNT)  # size of the file; None: the source is no single local file

    @classmethod
    def of(cls, info: SourceInfo, *, sha256: str | None) -> Self:
        """The source with the current size of its file."""
        is_file = info.path is not None and info.path.is_file()
        return cls(info, sha256=sha256, bytes=info.path.stat().st_size if info.path and is_file else None)


@dataclass(frozen=True, slots=True)
class FrameCounts(Serialisable):
    """Counts of all frames: read = analysed + the sum of dropped."""

    read: int = field(metadata=COUNT)  # frames that were decoded
    analysed: int = field(metadata=COUNT)  # frames that went through the pipeline
    dropped: Mapping[str, int]  # frames that were decoded and not analysed, by cause
    lost: Mapping[str, int]  # frames or packets that could not be decoded, by cause
    ended_early: str | None  # reason of an early end of the source; None: none
    start: float  # media time of the recording's start, where annotated.mp4 begins; > 0 in a later part (since 2.0)


@dataclass(frozen=True, slots=True)
class SourceVerdictInWords(Serialisable):
    """Verdict on the whole source: the verdict of its worst track with enough evidence, never a mean over tracks."""

    verdict: SourceVerdict = field(metadata=inlined())
    _shown: ClassVar = {"in_words": 0}

    @property
    def in_words(self) -> str:
        """The verdict as one sentence."""
        verdict, because = self.verdict, reasons_in_words(self.verdict.reasons)
        if verdict.label is Label.NOT_ENOUGH_EVIDENCE or verdict.probability is None:
            return f"Not enough evidence: {because}."
        odds = f"P(fake) {percent(verdict.probability)}"
        sentence = {
            Label.LIKELY_REAL: f"Likely real: no face looks manipulated (highest: face {verdict.track_id}, {odds})",
            Label.SUSPICIOUS: f"Suspicious: face {verdict.track_id} may be manipulated ({odds})",
            Label.LIKELY_FAKE: f"Likely fake: face {verdict.track_id} looks manipulated ({odds})",
        }[verdict.label]
        return f"{sentence}; {because}." if because else f"{sentence}."


@dataclass(frozen=True, slots=True)
class SuspiciousSpan(Serialisable):
    """A span of media time in which at least one track was suspicious."""

    start: float  # media time, seconds
    end: float  # media time, seconds
    label: Label  # worst label within the span
    peak: float = field(metadata=PROBABILITY)  # highest calibrated score of one sample alone
    track_ids: tuple[int, ...]  # the suspicious tracks, ascending

    @classmethod
    def of(cls, segments: Iterable[Segment]) -> tuple[Self, ...]:
        """The segments of all tracks, joined where they overlap, in order of time."""
        spans: list[Self] = []
        for segment in sorted(segments, key=lambda segment: segment.start):
            if spans and round(segment.start, DIGITS) <= round(spans[-1].end, DIGITS):
                spans[-1] = spans[-1].join(segment)
            else:
                spans.append(cls(segment.start, segment.end, segment.label, segment.peak, (segment.track_id,)))
        return tuple(spans)

    def join(self, segment: Segment) -> Self:
        """The span extended by an overlapping segment that starts later."""
        return replace(
            self,
            end=max(self.end, segment.end),
            label=max(self.label, segment.label, key=lambda label: label.severity),
            peak=max(self.peak, segment.peak),
            track_ids=tuple(sorted({*self.track_ids, segment.track_id})),
        )


@dataclass(frozen=True, slots=True)
class MemberSummary(Serialisable):
    """One classifier of a committee."""

    id: str  # of its model card
    weights_sha256: str = field(metadata=SHA256)  # of its weights file, hexadecimal
    weight: float = field(metadata=EXACT)  # of its calibrated log-odds in the sum
    # calibration of its raw logits (Platt scaling): log-odds = scale * logit + shift
    calibration: Calibration = field(metadata=EXACT)


@dataclass(frozen=True, slots=True)
class ModelSummary(Serialisable):
    """The classifier, or the committee of several, and its stated limits."""

    id: str  # of its model card
    architecture: str  # the network
    # of its weights file, hexadecimal; of a committee, of its members' hashes and fitted weights
    weights_sha256: str = field(metadata=SHA256)
    # calibration of raw logits (Platt scaling): log-odds = scale * logit + shift; None: of each member
    calibration: Calibration | None = field(metadata=EXACT)
    # statistics of the scores of one face over time (since 2.0; earlier in settings.verdict)
    score_process: ScoreProcess = field(metadata=EXACT)
    limits: str  # limits of the classifier, stated by its authors
    licence: str  # of its weights
    members: tuple[MemberSummary, ...] = ()  # the classifiers of a committee; empty for one classifier (since 2.0)
    # generators whose fakes it could not tell from genuine footage in its tests; of a committee: no member could
    # (since 2.0)
    blind_generators: tuple[str, ...] = ()

    @classmethod
    def of(cls, card: ModelCard) -> Self:
        """The summary of a model card."""
        return cls(
            id=card.id,
            architecture=card.architecture,
            weights_sha256=card.weights_sha256,
            calibration=_calibration(card),
            score_process=card.score_process,
            limits=card.limits,
            licence=card.licence,
            blind_generators=_blind_generators([card]),
        )

    @classmethod
    def of_committee(cls, committee: Committee) -> Self:
        """The summary of a committee; of its only classifier, if it has one."""
        cards = [classifier.card for classifier in committee.classifiers]
        if committee.card is None:
            return cls.of(cards[0])
        return cls(
            id=committee.id,
            architecture=" + ".join(card.architecture for card in cards),
            weights_sha256=committee.weights_sha256,
            calibration=None,
            score_process=cards[0].score_process,
            limits=committee.card.limits,
            licence="; ".join(dict.fromkeys(card.licence for card in cards)),
            members=tuple(
                MemberSummary(card.id, card.weights_sha256, weight, _calibration(card))
                for card, weight in zip(cards, committee.fusion.weights, strict=True)
            ),
            blind_generators=_blind_generators(cards),
        )


def _blind_generators(cards: Iterable[ModelCard]) -> tuple[str, ...]:
    """Generators on which a card measures no better than chance and no other card measures better."""
    domains = [domain for card in cards for domain in card.domains if domain.kind == "generator"]
    is_told = {domain.name for domain in domains if domain.finding == "better than chance"}
    return tuple(sorted({domain.name for domain in domains if domain.is_blind} - is_told))


def _calibration(card: ModelCard) -> Calibration:
    """Scale and shift alone, without the data of the fit."""
    return Calibration(card.calibration.scale, card.calibration.shift)


@dataclass(frozen=True, slots=True)
class EngineSummary(Serialisable):
    """The engine that ran the networks."""

    name: str  # engine and precision, e.g. onnxruntime-fp32
    reason: str  # reason of the choice
    all: tuple[str, ...]  # all engines that scored, in order of use: an engine may be upgraded during the analysis


@dataclass(frozen=True, slots=True)
class ReportContent(Serialisable):
    """A report: the source, the model and its engine, the verdicts and their traces.

    Times are seconds of media time, from the source's first frame. Unknown numbers are None.
    """

    # version of this format: the major number changes when a reader of older reports would misread a newer report,
    # the minor number when fields are added
    schema_version: str = field(default=SCHEMA_VERSION, init=False, metadata={"schema": {"const": SCHEMA_VERSION}})
    program: Program = field(default=Program(), init=False)
    created_at: datetime  # when the report was written, UTC
    note: str  # the meaning of a verdict: an indication, not proof
    source: AnalysedSource
    frames: FrameCounts
    verdict: SourceVerdictInWords
    tracks: tuple[TrackSummary, ...]  # all tracks, by id
    segments: tuple[Segment, ...]  # spans of media time in which one track was suspicious, by start
    spans: tuple[SuspiciousSpan, ...]  # the segments of all tracks, joined where they overlap
    label_changes: tuple[LabelChange, ...]  # all label changes, in order of time, each with its trace
    hints: tuple[Hint, ...]  # on the stream itself, in order of time; no verdict depends on them (since 1.1)
    # signed statements in the file about its origin (C2PA); no verdict depends on them; None: the source is no single
    # local file (since 2.0)
    content_credentials: ContentCredentials | None
    model: ModelSummary
    engine: EngineSummary
    # the settings that affect a verdict, one object for each stage; see docs/settings.md
    settings: Mapping[str, Any] = field(metadata=EXACT)
