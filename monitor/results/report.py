"""``report.json``: what was analysed, with what, what is said of it, and why. Its fields: ``report.schema.json``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from monitor import __version__
from monitor.errors import SourceError, SourceUnavailableError
from monitor.results import records
from monitor.results.result_folder import REPORT_FILE
from monitor.results.timeline import Timeline
from monitor.system.files import unwritable
from monitor.types import Hint, LabelChange, Observation, Segment, SourceInfo, SourceVerdict, TrackSummary
from monitor.types.serialise import JsonObject
from monitor.types.stats import SessionStats

if TYPE_CHECKING:
    from monitor.analysis.pipeline import Engines
    from monitor.classifiers.model_card import ModelCard
    from monitor.settings import Settings

SCHEMA_VERSION = "1.2"  # the first number grows when a reader of older reports would misread a newer one
SCHEMA_FILE = Path(__file__).with_name("report.schema.json")
NOTE = (
    "An indication, not proof: a statistical detector judged visible faces only. It misses manipulations, "
    "it accuses genuine footage, and it is weaker on generators, cameras and people unlike its training data. "
    "Look at the footage and its origin before you act on a verdict."
)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Everything that a result depends on."""

    source: SourceInfo
    sha256: str | None  # of the source's file, see sha256_of(); None if it is no single file
    settings: Settings
    card: ModelCard
    engine: str  # as observations carry it
    engine_reason: str  # why that engine was chosen

    @classmethod
    def of(cls, source: SourceInfo, *, engines: Engines, settings: Settings) -> Self:
        """What is judged, by these engines; a file is read whole, for its hash.

        Raises:
            SourceUnavailableError: the file can no longer be read.
        """
        return cls(
            source=source,
            sha256=sha256_of(source.path) if source.path is not None and source.path.is_file() else None,
            settings=settings,
            card=engines.classifier.card,
            engine=engines.scorer.engine.name,
            engine_reason=engines.choice.reason,
        )


@dataclass(frozen=True, slots=True)
class Report:
    """What a whole source came to: its verdict, its faces, and why; ``to_dict()`` is the content of report.json."""

    verdict: SourceVerdict
    tracks: tuple[TrackSummary, ...]  # every face that was followed, each with its verdict
    segments: tuple[Segment, ...]  # suspicious spans
    label_changes: tuple[LabelChange, ...]
    hints: tuple[Hint, ...]  # on the stream itself
    frames: SessionStats
    provenance: Provenance
    engines: tuple[str, ...]  # all that scored, in order
    folder: Path | None = None  # where report, timeline and video lie, if they were kept
    failure: SourceError | None = None  # what ended the source before its time

    @property
    def source(self) -> SourceInfo:
        """What was analysed."""
        return self.provenance.source

    @property
    def model(self) -> ModelCard:
        """The classifier's card, with the limits that its makers state."""
        return self.provenance.card

    @property
    def engine(self) -> str:
        """The engine that scored at first."""
        return self.provenance.engine

    def to_dict(self) -> JsonObject:
        """The report as JSON values; its keys are in ``report.schema.json``."""
        return _content(self)


class ReportWriter:
    """Collects one source's observations while they stream by; memory grows with tracks, label changes, hints only.

    Writes ``timeline.csv`` at once and ``report.json`` at the end into ``folder``: give it
    ``OutputFolder.working``, so that nothing is seen before it is whole. Leaving the ``with``
    block without ``finish()`` removes both.

    Raises:
        OutputError: the folder cannot be written.
    """

    def __init__(self, folder: Path, provenance: Provenance) -> None:
        self._folder, self._provenance = folder, provenance
        self._timeline = Timeline(folder)
        self._frames = 0
        self._engines: dict[str, None] = {}  # in order: a faster one may take over
        self._changes: list[LabelChange] = []
        self._segments: list[Segment] = []
        self._tracks: list[TrackSummary] = []
        self._hints: list[Hint] = []
        self._open_hints: tuple[Hint, ...] = ()
        self._finished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._finished:
            self.abort()

    def add(self, observation: Observation) -> None:
        """Take in what one frame led to.

        Raises:
            OutputError: the disk is full or gone.
        """
        self._frames += 1
        self._engines.setdefault(observation.engine)
        self._changes += observation.changes
        self._segments += observation.closed_segments
        self._tracks += observation.ended_tracks
        self._hints += [hint for hint in observation.hint_changes if hint.end is not None]
        self._open_hints = observation.hints
        if len(observation.scores) or observation.scores.rejected:
            self._timeline.add(observation)

    def finish(
        self,
        verdict: SourceVerdict,
        *,
        segments: Iterable[Segment] = (),
        tracks: Iterable[TrackSummary] = (),
        dropped: Mapping[str, int] | None = None,
        lost: Mapping[str, int] | None = None,
        ended_early: str | None = None,
    ) -> dict[str, Any]:
        """Write the report.

        Args:
            verdict: what is said of the whole source.
            segments: those still open when the source ended.
            tracks: those still alive when the source ended.
            dropped: frames read but not analysed, by cause.
            lost: frames or packets that could not be decoded, by cause.
            ended_early: why the source ended before its time, if it did.

        Returns:
            The content of report.json.

        Raises:
            OutputError: the disk is full or gone.
        """
        self._timeline.close()
        dropped = dict(dropped or {})
        content = _content(
            Report(
                verdict=verdict,
                tracks=(*self._tracks, *tracks),
                segments=(*self._segments, *segments),
                label_changes=tuple(self._changes),
                hints=(*self._hints, *self._open_hints),
                frames=SessionStats.counted(self._frames, dropped=dropped, lost=dict(lost or {})),
                provenance=self._provenance,
                engines=tuple(self._engines),
            ),
            ended_early=ended_early,
        )
        path = self._folder / REPORT_FILE
        try:
            path.write_text(json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        except OSError as error:
            raise unwritable(path, error) from error
        self._finished = True
        return content

    def abort(self) -> None:
        """Remove what was written."""
        self._timeline.discard()
        (self._folder / REPORT_FILE).unlink(missing_ok=True)


def _content(report: Report, *, ended_early: str | None = None) -> JsonObject:
    frames, provenance = report.frames, report.provenance
    failure = None if report.failure is None else str(report.failure)
    spans = sorted(report.segments, key=lambda segment: (segment.start, segment.track_id))
    return {
        "schema_version": SCHEMA_VERSION,
        "program": {"name": "deepfake-monitor", "version": __version__},
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "note": NOTE,
        "source": records.source(provenance.source, sha256=provenance.sha256),
        "frames": {
            "read": frames.frames_analysed + sum(frames.dropped.values()),
            "analysed": frames.frames_analysed,
            "dropped": dict(frames.dropped),
            "lost": dict(frames.lost),
            "ended_early": ended_early or failure,
        },
        "verdict": records.source_verdict(report.verdict),
        "tracks": [track.to_dict() for track in sorted(report.tracks, key=lambda track: track.track_id)],
        "segments": [segment.to_dict() for segment in spans],
        "spans": records.merged(spans),
        "label_changes": [change.to_dict() for change in report.label_changes],
        "hints": records.hints(report.hints),
        "model": records.model(provenance.card),
        "engine": {"name": provenance.engine, "reason": provenance.engine_reason, "all": list(report.engines)},
        "settings": provenance.settings.record(),
    }


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file, read piece by piece.

    Raises:
        SourceUnavailableError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceUnavailableError(
            f"{path} cannot be read: {error.strerror or error}; check its permissions"
        ) from error
