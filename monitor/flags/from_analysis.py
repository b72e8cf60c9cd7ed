"""A span of an analysed file becomes a flag: from its report, its annotated video and the file itself."""

import csv
import io
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image

from monitor.errors import SourceUnreadableError
from monitor.flags.archive import FlagArchive
from monitor.flags.clips import cut_isolated
from monitor.flags.database import new_id
from monitor.flags.files import FRAME, OVERLAY, TRACE
from monitor.media.sources import open_isolated
from monitor.results.result_folder import TIMELINE_FILE, VIDEO_FILE
from monitor.settings import SourceSettings
from monitor.types import Flag, Label, Origin, Reason

_QUALITY = 90  # JPEG
_SETTINGS = SourceSettings()


@dataclass(frozen=True, slots=True)
class AnalysedFile:
    """A file and what its analysis left."""

    file: Path
    name: str  # as the person calls it
    results: Path  # the folder of annotated.mp4 and timeline.csv
    report: dict[str, Any]  # the content of report.json


def flag_span(
    archive: FlagArchive,
    analysed: AnalysedFile,
    span: dict[str, Any],
    *,
    reporter: str,
    note: str = "",
    source: SourceSettings = _SETTINGS,
) -> Flag:
    """Keep a suspicious span of a file; on return flag, pictures and clip are on the disk.

    Args:
        archive: where flags are kept.
        analysed: the file.
        span: one of the report's ``segments``.
        reporter: who flags it.
        note: what they say of it.
        source: how file and video are read, each in a process of its own.

    Raises:
        SourceError: the file cannot be read any more.
        OutputError: the files cannot be written; nothing was kept.
        StoreError: the flag cannot be written; nothing was kept.
    """
    picture, captured_at = _picture(analysed.file, span["best_time"], source)
    drawn, _ = _picture(analysed.results / VIDEO_FILE, span["best_time"], source)
    changes = [change for change in analysed.report["label_changes"] if change["track_id"] == span["track_id"]]
    flag = _draft(analysed, span, changes, captured_at=captured_at)
    flag = replace(flag, reporter=reporter, note=note)
    files = {FRAME: picture, OVERLAY: drawn, TRACE: json.dumps({"changes": changes}, indent=1).encode()}
    flag = archive.add(flag, files)
    return archive.add_clip(
        flag.id, lambda path: cut_isolated(analysed.file, path, flag.start, flag.end, settings=source)
    )


def _draft(
    analysed: AnalysedFile, span: dict[str, Any], changes: list[dict[str, Any]], *, captured_at: datetime
) -> Flag:
    report = analysed.report
    track = next(one for one in report["tracks"] if one["track_id"] == span["track_id"])
    now = datetime.now(UTC)
    return Flag(
        id=new_id(now),
        created_at=now,
        origin=Origin.PERSON,
        reporter="",
        source=analysed.name,
        source_kind=report["source"]["kind"],
        source_sha256=report["source"]["sha256"],
        start=span["start"],
        end=span["end"],
        media_time=min(max(span["best_time"], span["start"]), span["end"]),
        captured_at=captured_at,
        frame_index=span["best_frame"],
        track_id=span["track_id"],
        box=_box(analysed.results / TIMELINE_FILE, span),
        label=Label(span["label"]),
        probability=span["peak"],
        samples=track["samples"],
        effective_samples=track["effective_samples"],
        reasons=tuple(Reason(reason) for reason in track["reasons"]),
        trace=tuple(changes),
        engine=report["engine"]["name"],
        model=report["model"]["id"],
        weights_sha256=report["model"]["weights_sha256"],
        program=report["program"]["version"],
        settings=report["settings"],
    )


def _box(timeline: Path, span: dict[str, Any]) -> tuple[float, float, float, float] | None:
    """Where the face of a span was in its best frame; None if the timeline does not tell."""
    try:
        with timeline.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if (int(row["frame_index"]), int(row["track_id"])) == (span["best_frame"], span["track_id"]):
                    return float(row["box_x1"]), float(row["box_y1"]), float(row["box_x2"]), float(row["box_y2"])
    except (OSError, ValueError, KeyError):
        pass
    return None


def _picture(file: Path, media_time: float, settings: SourceSettings) -> tuple[bytes, datetime]:
    """The picture shown at a media time as JPEG, and when it was read."""
    with open_isolated(file, settings) as source:
        for frame in source:
            if frame.media_time >= media_time - 1e-3:
                buffer = io.BytesIO()
                Image.fromarray(frame.pixels).save(buffer, "JPEG", quality=_QUALITY)
                return buffer.getvalue(), frame.captured_at
    raise SourceUnreadableError(f"{file.name}: it ends before {media_time:g} s; was it replaced?")
