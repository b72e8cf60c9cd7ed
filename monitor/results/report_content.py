"""The content of ``report.json`` as one value. Its keys: ``report.schema.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from monitor import __version__
from monitor.types import Hint, Label, LabelChange, ScoreProcess, Segment, SourceInfo, SourceVerdict, TrackSummary
from monitor.types.faces import Calibration
from monitor.types.formatting import percent, reasons_in_words
from monitor.types.schema import value_schema
from monitor.types.serialise import COUNT, DIGITS, EXACT, PROBABILITY, SHA256, JsonObject, Serialisable, inlined

if TYPE_CHECKING:
    from monitor.classifiers.model_card import ModelCard

SCHEMA_VERSION: Final = "1.2"  # the first number grows when a reader of older reports would misread a newer one
SCHEMA_FILE: Final = Path(__file__).with_name("report.schema.json")


@dataclass(frozen=True, slots=True)
class Program(Serialisable):
    """What wrote the report."""

    name: str = "deepfake-monitor"  # of the program
    version: str = __version__  # of the program


@dataclass(frozen=True, slots=True)
class AnalysedSource(Serialisable):
    """What was analysed."""

    info: SourceInfo = field(metadata=inlined())
    sha256: str | None = field(metadata=SHA256)  # of the file, hexadecimal; None: the source is no single local file
    bytes: int | None = field(metadata=COUNT)  # size of the file; None: the source is no single local file

    @classmethod
    def of(cls, info: SourceInfo, *, sha256: str | None) -> Self:
        """The source, with its file's size as it is now."""
        is_file = info.path is not None and info.path.is_file()
        return cls(info, sha256=sha256, bytes=info.path.stat().st_size if info.path and is_file else None)


@dataclass(frozen=True, slots=True)
class FrameCounts(Serialisable):
    """Every frame accounted for: read = analysed + the sum of dropped."""

    read: int = field(metadata=COUNT)  # frames that were decoded
    analysed: int = field(metadata=COUNT)  # frames that went through the pipeline
    dropped: Mapping[str, int]  # frames that were decoded and not analysed, by cause
    lost: Mapping[str, int]  # frames or packets that could not be decoded, by cause
    ended_early: str | None  # why the source ended before its time; None: it did not


@dataclass(frozen=True, slots=True)
class SourceVerdictInWords(Serialisable):
    """What is said of the whole source: its worst track with enough evidence, never a mean over people."""

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
    label: Label  # the worst that was reached
    peak: float = field(metadata=PROBABILITY)  # highest calibrated P(fake)
    track_ids: tuple[int, ...]  # the tracks that were suspicious in it, ascending

    @classmethod
    def of(cls, segments: Iterable[Segment]) -> tuple[Self, ...]:
        """When anyone at all was suspicious: overlapping segments of all tracks joined, in order of time."""
        spans: list[Self] = []
        for one in sorted(segments, key=lambda segment: segment.start):
            if spans and round(one.start, DIGITS) <= round(spans[-1].end, DIGITS):
                spans[-1] = spans[-1].joined(one)
            else:
                spans.append(cls(one.start, one.end, one.label, one.peak, (one.track_id,)))
        return tuple(spans)

    def joined(self, segment: Segment) -> Self:
        """The span from the first start to the last end of both."""
        return replace(
            self,
            end=max(self.end, segment.end),
            label=max(self.label, segment.label, key=lambda label: label.severity),
            peak=max(self.peak, segment.peak),
            track_ids=tuple(sorted({*self.track_ids, segment.track_id})),
        )


@dataclass(frozen=True, slots=True)
class ModelSummary(Serialisable):
    """The classifier that judged, and the limits that its makers state."""

    id: str  # of its model card
    architecture: str  # the network
    weights_sha256: str = field(metadata=SHA256)  # of its weights file, hexadecimal
    # how raw logits become probabilities: log-odds = scale * logit + shift (Platt scaling)
    calibration: Calibration = field(metadata=EXACT)
    # statistics of the scores of one face over time (since 1.2; earlier in settings.verdict)
    score_process: ScoreProcess = field(metadata=EXACT)
    limits: str  # of the classifier, in its makers' words
    licence: str  # of its weights

    @classmethod
    def of(cls, card: ModelCard) -> Self:
        """What a report says of a model card."""
        return cls(
            id=card.id,
            architecture=card.architecture,
            weights_sha256=card.weights_sha256,
            calibration=Calibration(card.calibration.scale, card.calibration.shift),
            score_process=card.score_process,
            limits=card.limits,
            licence=card.licence,
        )


@dataclass(frozen=True, slots=True)
class EngineSummary(Serialisable):
    """What ran the networks."""

    name: str  # engine and precision, e.g. onnxruntime-fp32
    reason: str  # why it was chosen
    all: tuple[str, ...]  # the engines that the observations name, in order: a faster one may take over on the way


@dataclass(frozen=True, slots=True)
class ReportContent(Serialisable):
    """What was analysed, with what, what is said of it, and why.

    Times are seconds of media time: they count from the source's first frame. Unknown numbers are None.
    """

    # of this format: the first number grows when a reader of older reports would misread a newer one, the second
    # when fields are added
    schema_version: str = field(default=SCHEMA_VERSION, init=False, metadata={"schema": {"const": SCHEMA_VERSION}})
    program: Program = field(default=Program(), init=False)
    created_at: datetime  # when the report was written, UTC
    note: str  # what a verdict is worth: an indication, not proof
    source: AnalysedSource
    frames: FrameCounts
    verdict: SourceVerdictInWords
    tracks: tuple[TrackSummary, ...]  # every face that was followed, by id
    segments: tuple[Segment, ...]  # spans of media time in which one track was suspicious, by start
    spans: tuple[SuspiciousSpan, ...]  # the segments of all tracks, joined where they overlap
    label_changes: tuple[LabelChange, ...]  # every change of a label, in order, with the trace that explains it
    hints: tuple[Hint, ...]  # on the stream itself, in order of time; no verdict depends on them (since 1.1)
    model: ModelSummary
    engine: EngineSummary
    # every setting that a verdict depends on, one object for each stage; docs/settings.md explains them
    settings: Mapping[str, Any] = field(metadata=EXACT)


def report_schema() -> JsonObject:
    """The schema of ``report.json``; ``report.schema.json`` holds it."""
    return value_schema(ReportContent, urn="urn:deepfake-monitor:report:1", title="deepfake-monitor report")
