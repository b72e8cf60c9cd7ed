"""The report of an analysis, read back from its JSON."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from pydantic import TypeAdapter

from monitor.errors import SourceError
from monitor.types import (
    ContentCredentials,
    Hint,
    Label,
    LabelChange,
    Segment,
    SourceInfo,
    SourceVerdict,
    TrackSummary,
    Verdict,
)
from monitor.types.serialise import JsonObject
from monitor.types.stats import SessionStats

_VERDICT: Final = TypeAdapter(SourceVerdict)
_TRACK_VERDICT: Final = TypeAdapter(Verdict)
_SEGMENTS: Final = TypeAdapter(tuple[Segment, ...])
_CHANGES: Final = TypeAdapter(tuple[LabelChange, ...])
_CREDENTIALS: Final = TypeAdapter(ContentCredentials | None)
_HINTS: Final = TypeAdapter(tuple[Hint, ...])
_SOURCE: Final = TypeAdapter(SourceInfo)
_SECONDS: Final = TypeAdapter(dict[Label, float])


@dataclass(frozen=True, slots=True)
class RemoteReport:
    """Verdict, tracks and segments of an analysed source, under the names of :class:`monitor.Report`."""

    verdict: SourceVerdict  # of the whole source
    source: SourceInfo
    tracks: tuple[TrackSummary, ...]  # ``verdict.since`` is not in a report: it is not a number
    segments: tuple[Segment, ...]  # suspicious spans
    label_changes: tuple[LabelChange, ...]  # in order of time, each with its trace
    hints: tuple[Hint, ...]  # on the stream itself
    content_credentials: ContentCredentials | None  # of the file; None for other sources
    frames: SessionStats  # counts of all frames; a report has no times of the analysis
    failure: SourceError | None  # error that ended the source early
    content: JsonObject = field(repr=False)  # the whole report.json
    folder: Path | None = None  # folder of the downloaded result files; None: not downloaded

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Self:
        """The report of a report.json; keys that a newer server added are in ``content`` only.

        Raises:
            KeyError, ValueError: the content is not a report.
        """
        frames = content["frames"]
        return cls(
            verdict=_VERDICT.validate_python(content["verdict"]),
            source=_SOURCE.validate_python(content["source"]),
            tracks=tuple(map(_read_track, content["tracks"])),
            segments=_SEGMENTS.validate_python(content["segments"]),
            label_changes=_CHANGES.validate_python(content["label_changes"]),
            hints=_HINTS.validate_python(content["hints"]),
            content_credentials=_CREDENTIALS.validate_python(content["content_credentials"]),
            frames=SessionStats.counted(frames["analysed"], dropped=frames["dropped"], lost=frames["lost"]),
            failure=SourceError(frames["ended_early"]) if frames["ended_early"] else None,
            content=dict(content),
        )


def _read_track(record: Mapping[str, Any]) -> TrackSummary:
    return TrackSummary(
        track_id=record["track_id"],
        first_seen=record["first_seen"],
        last_seen=record["last_seen"],
        verdict=_TRACK_VERDICT.validate_python({**record, "since": math.nan}),
        label_seconds=_SECONDS.validate_python(record["label_seconds"]),
    )
