"""The outcome of one file of an archive, and the marker ``done.json`` that makes its result valid."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

from monitor import __version__
from monitor.errors import MonitorError
from monitor.fleet.archive_sources import ArchiveSource
from monitor.results.report import Report
from monitor.settings import Settings

MARKER_FILE: Final = "done.json"
_FORMAT: Final = 1  # of the marker


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """One row of ``results.csv``."""

    source: str  # address, masked
    label: str | None = None  # of the whole file; None: not analysed
    probability: float | None = None  # P(fake) of the worst face
    tracks: int = 0
    suspicious_spans: int = 0
    frames: int = 0  # analysed
    folder: str | None = None  # of the result, relative to --out; None: there is no result
    error: str | None = None  # why it could not be analysed, or not to its end
    exit_code: int = 0  # of the error; 0: none
    node: str | None = None  # machine that analysed it
    earlier: bool = False  # whether an earlier run, or another one at the same time, had analysed it

    @classmethod
    def of(cls, report: Report, *, source: ArchiveSource, node: str) -> Self:
        """The outcome of an analysed file."""
        failure = report.failure
        return cls(
            source=source.name,
            label=report.verdict.label.value,
            probability=None if report.verdict.probability is None else round(report.verdict.probability, 4),
            tracks=len(report.tracks),
            suspicious_spans=len(report.segments),
            frames=report.frames.frames_analysed,
            folder=source.key,
            error=None if failure is None else str(failure),
            exit_code=0 if failure is None else failure.exit_code,
            node=node,
        )

    @classmethod
    def failed(cls, source: ArchiveSource, error: MonitorError, *, node: str | None = None) -> Self:
        """The outcome of a file without a result."""
        return cls(source.name, error=str(error), exit_code=error.exit_code, node=node)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a result depends on, besides the file; two equal recipes give equal results."""

    settings_sha256: str  # of the settings that a verdict depends on
    weights_sha256: str  # of the classifier, or of the committee
    program: str  # version
    video: bool  # whether annotated.mp4 is written

    @classmethod
    def of(cls, settings: Settings, *, weights_sha256: str, video: bool) -> Self:
        """The recipe of this program."""
        used = {**settings.record(), "trusted_signers": str(settings.credentials.trusted_signers)}
        text = json.dumps(used, sort_keys=True)
        return cls(hashlib.sha256(text.encode()).hexdigest(), weights_sha256, program=__version__, video=video)


@dataclass(frozen=True, slots=True)
class DoneMarker:
    """Says that a result is whole, and of which file and recipe it is."""

    source: ArchiveSource  # as it was before it was read; its address masked
    recipe: Recipe
    outcome: FileOutcome

    @classmethod
    def of(cls, source: ArchiveSource, recipe: Recipe, outcome: FileOutcome) -> Self:
        """The marker of a new result."""
        return cls(replace(source, address=source.name), recipe, outcome)

    def covers(self, source: ArchiveSource, recipe: Recipe) -> bool:
        """Whether the result is that of this file, unchanged, with this recipe."""
        return self.source == replace(source, address=source.name) and self.recipe == recipe

    def to_json(self) -> str:
        """The content of ``done.json``."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def parse(cls, text: str | bytes) -> Self | None:
        """The marker in a file; None if it is no marker of this format, so that the result does not count."""
        try:
            values: dict[str, Any] = json.loads(text)
            if values.pop("format") != _FORMAT:
                return None
            return cls(ArchiveSource(**values["source"]), Recipe(**values["recipe"]), FileOutcome(**values["outcome"]))
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
