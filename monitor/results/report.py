"""The report of a whole source, and its files. Their content: ``monitor.results.report_content``."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from monitor.analysis.pipeline import Engines
from monitor.errors import SourceError, SourceUnavailableError
from monitor.media.content_credentials import content_credentials
from monitor.results.formats import report_formats
from monitor.results.report_content import (
    AnalysedSource,
    EngineSummary,
    FrameCounts,
    ModelSummary,
    ReportContent,
    SourceVerdictInWords,
    SuspiciousSpan,
)
from monitor.settings import Settings
from monitor.system.files import write_error
from monitor.types import ContentCredentials, Hint, LabelChange, Segment, SourceInfo, SourceVerdict, TrackSummary
from monitor.types.serialise import JsonObject
from monitor.types.stats import SessionStats

NOTE = (
    "An indication, not proof: a statistical detector judged visible faces only. It misses manipulations, "
    "it accuses genuine footage, and it is weaker on generators, cameras and people unlike its training data. "
    "Look at the footage and its origin before you act on a verdict."
)


@dataclass(frozen=True, slots=True)
class Provenance:
    """The source, engines and settings of a result."""

    source: SourceInfo
    sha256: str | None  # of the source's file, see sha256_of(); None: the source is no single file
    settings: Settings
    model: ModelSummary  # the classifier, or the committee of several
    engine: str  # name, as in the observations
    engine_reason: str  # reason of the choice
    credentials: ContentCredentials | None = None  # of the source's file; None: the source is no single file

    @classmethod
    def of(cls, source: SourceInfo, *, engines: Engines, settings: Settings) -> Self:
        """The provenance of a source scored by these engines; reads the whole file for its hash and its credentials.

        Raises:
            SourceUnavailableError: the file can no longer be read.
            UsageError: the setting ``credentials.trusted_signers`` cannot be used.
        """
        file = source.path if source.path is not None and source.path.is_file() else None
        return cls(
            source=source,
            sha256=None if file is None else sha256_of(file),
            settings=settings,
            model=ModelSummary.of_committee(engines.committee),
            engine=engines.scorer.engine.name,
            engine_reason=engines.choice.reason,
            credentials=None if file is None else content_credentials(file, settings),
        )


@dataclass(frozen=True, slots=True)
class Report:
    """Verdict, tracks and segments of a whole source; ``to_dict()`` is the content of report.json."""

    verdict: SourceVerdict  # of the whole source
    tracks: tuple[TrackSummary, ...]  # all tracks with their verdicts
    segments: tuple[Segment, ...]  # suspicious spans
    label_changes: tuple[LabelChange, ...]  # in order of time, each with its trace
    hints: tuple[Hint, ...]  # on the stream itself
    frames: SessionStats  # counts of all frames
    provenance: Provenance  # source, engines and settings
    engines: tuple[str, ...]  # names of all engines that scored, in order
    folder: Path | None = None  # folder of report, timeline and video; None: not recorded
    failure: SourceError | None = None  # error that ended the source early

    @property
    def source(self) -> SourceInfo:
        """The analysed source."""
        return self.provenance.source

    @property
    def model(self) -> ModelSummary:
        """The classifier, or the committee of several, with its stated limits."""
        return self.provenance.model

    @property
    def content_credentials(self) -> ContentCredentials | None:
        """Signed statements of the file about its origin; the verdict does not depend on them."""
        return self.provenance.credentials

    @property
    def engine(self) -> str:
        """The name of the first engine."""
        return self.provenance.engine

    def to_dict(self) -> JsonObject:
        """The report as JSON values; its keys are in ``report.schema.json``."""
        return _content(self).to_dict()


def write_report(report: Report, folder: Path, *, start: float = 0.0) -> None:
    """Write the file of each report format.

    Args:
        start: media time, seconds, at which the recording begins.

    Raises:
        OutputError: the disk is full or unavailable.
    """
    content = _content(report, start=start)
    for file, render in report_formats().items():
        path = folder / file
        try:
            path.write_text(render(content), encoding="utf-8")
        except OSError as error:
            raise write_error(path, error) from error


def _content(report: Report, *, start: float = 0.0) -> ReportContent:
    frames, provenance = report.frames, report.provenance
    return ReportContent(
        created_at=datetime.now(UTC).replace(microsecond=0),
        note=NOTE,
        source=AnalysedSource.of(provenance.source, sha256=provenance.sha256),
        frames=FrameCounts(
            read=frames.frames_analysed + sum(frames.dropped.values()),
            analysed=frames.frames_analysed,
            dropped=frames.dropped,
            lost=frames.lost,
            ended_early=None if report.failure is None else str(report.failure),
            start=start,
        ),
        verdict=SourceVerdictInWords(report.verdict),
        tracks=tuple(sorted(report.tracks, key=lambda track: track.track_id)),
        segments=tuple(sorted(report.segments, key=lambda segment: (segment.start, segment.track_id))),
        spans=SuspiciousSpan.of(report.segments),
        label_changes=report.label_changes,
        hints=tuple(sorted(report.hints, key=lambda hint: (hint.start, hint.kind))),
        content_credentials=provenance.credentials,
        model=provenance.model,
        engine=EngineSummary(provenance.engine, provenance.engine_reason, report.engines),
        settings=provenance.settings.record(),
    )


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file, read in chunks.

    Raises:
        SourceUnavailableError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceUnavailableError(
            f"{path} cannot be read: {error.strerror or error}; check its permissions"
        ) from error
