"""Results on disk, written from observations as a recording writes them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from support.observations import frame

from monitor.errors import SourceError
from monitor.results.report import Provenance, Report, write_report
from monitor.results.timeline import Timeline
from monitor.runtime import VerdictCollector
from monitor.types import Observation, Segment, SourceVerdict, TrackSummary
from monitor.types.stats import SessionStats

_PICTURE = frame(np.zeros((4, 4, 3), np.uint8))


def written_report(
    folder: Path,
    provenance: Provenance,
    verdict: SourceVerdict,
    *,
    observations: Iterable[Observation] = (),
    segments: Sequence[Segment] = (),
    tracks: Sequence[TrackSummary] = (),
    dropped: Mapping[str, int] | None = None,
    lost: Mapping[str, int] | None = None,
    failure: SourceError | None = None,
) -> dict[str, Any]:
    """Write timeline and report; the content of report.json."""
    collector, seen = VerdictCollector(), list(observations)
    with Timeline(folder) as timeline:
        for observation in seen:
            collector(_PICTURE, observation)
            timeline.add(observation)
    collector.finish(segments, tracks)
    report = Report(
        verdict=verdict,
        tracks=collector.tracks,
        segments=collector.segments,
        label_changes=collector.label_changes,
        hints=collector.hints,
        frames=SessionStats.counted(len(seen), dropped=dropped or {}, lost=lost or {}),
        provenance=provenance,
        engines=collector.engines,
        failure=failure,
    )
    write_report(report, folder)
    content: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return content
