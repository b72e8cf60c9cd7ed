"""Flags a span or a frame of an analysed file, from its report, its timeline, its video and the file itself."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from monitor.errors import OutputError, SourceUnreadableError
from monitor.flags.archive import FlagArchive
from monitor.flags.builder import (
    JPEG_QUALITY,
    FlagDraft,
    FlagFace,
    FlagFrame,
    FlagMark,
    FlagProvenance,
    FlagSample,
    choose_face,
)
from monitor.flags.clips import cut_isolated
from monitor.flags.queries import FlagQuery
from monitor.media.sources import open_isolated
from monitor.results.result_folder import TIMELINE_FILE, VIDEO_FILE
from monitor.results.timeline import TimelineSample
from monitor.settings import ClassifierSettings, EvidenceSettings, SourceSettings, rename_settings
from monitor.system import jpeg
from monitor.types import Flag, Frame, Label, Reason
from monitor.types.serialise import JsonObject

_TIME_RESOLUTION: Final = 1e-3  # seconds: rounding of media times in a report and in a timeline
_LAST_FRAME: Final = 5.0  # seconds for which the last frame may be on the screen
_SEARCHED: Final = 10_000  # flags of one source
_DEFAULT_SETTINGS = SourceSettings()

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AnalysedFile:
    """An analysed file and its results."""

    file: Path
    name: str  # display name
    results: Path  # the folder of annotated.mp4 and timeline.csv
    report: dict[str, Any]  # the content of report.json


def flag_span(
    archive: FlagArchive,
    analysed: AnalysedFile,
    span: dict[str, Any],
    *,
    reporter: str,
    note: str = "",
    source: SourceSettings = _DEFAULT_SETTINGS,
) -> Flag:
    """Flag a span of a file; on return, flag, pictures and clip are on disk.

    The flag's moment is the span's best frame, with the label and probability of the track at this frame. The same span
    of the same analysis by the same reporter is flagged once: the second call returns the first flag.

    Args:
        span: one of the report's ``segments``, or the result of :func:`choose_span` or :func:`span_around`.
        source: settings of the reading processes.

    Raises:
        SourceError: the file can no longer be read.
        OutputError: the files cannot be written; nothing was stored.
        StoreError: the flag cannot be written; nothing was stored.
    """
    if (known := _find_flag(archive, analysed, span, reporter=reporter)) is not None:
        return known
    late = _LAST_FRAME if span["best_frame"] is None else _TIME_RESOLUTION
    shown, drawn = (
        _frame_at(file, span["best_time"], source, late=late) for file in (analysed.file, analysed.results / VIDEO_FILE)
    )
    draft = _draft(analysed, span, shown=shown, drawn=drawn, reporter=reporter, note=note)
    flag = archive.add(draft.flag(), draft.files())
    return archive.add_clip(
        flag.id, lambda path: cut_isolated(analysed.file, path, flag.start, flag.end, settings=source)
    )


def choose_span(analysed: AnalysedFile, start: float, end: float) -> dict[str, Any]:
    """A span that a person chose, in the form of a segment of the report.

    Its best frame is the sample with the strongest evidence of manipulation, of any face; without a sample, the first
    frame, and the whole picture is flagged.
    """
    rows = [row for row in _read_timeline(analysed.results / TIMELINE_FILE) if start <= row.media_time <= end]
    scored = [row for row in rows if row.log_odds is not None]
    best = max(scored, key=lambda row: (row.log_odds or 0.0) * row.weight, default=None)
    if best is None:
        return _chosen(start, end, moment=start, face=None)
    return _chosen(start, end, moment=best.media_time, face=best)


def span_around(analysed: AnalysedFile, moment: float, evidence: EvidenceSettings) -> dict[str, Any]:
    """The frame on the screen at a moment with the seconds around it, in the form of a segment of the report.

    The flagged face is the one with the worst verdict there; without a face, the whole picture is flagged.
    """
    report = analysed.report
    duration = report["source"].get("duration")
    start = max(0.0, moment - evidence.pre_roll)
    end = moment + evidence.post_roll if duration is None else min(moment + evidence.post_roll, duration)
    faces = _faces_at(report, _read_timeline(analysed.results / TIMELINE_FILE), moment)
    return _chosen(start, max(end, moment), moment=moment, face=choose_face(faces, track_id=None))


def _chosen(start: float, end: float, *, moment: float, face: TimelineSample | FlagFace | None) -> dict[str, Any]:
    return {
        "track_id": None if face is None else face.track_id,
        "start": round(start, 3),
        "end": round(end, 3),
        "label": Label.NOT_ENOUGH_EVIDENCE if face is None else face.label,
        "best_frame": None,  # the frame at this time
        "best_time": round(moment, 3),
    }


def _find_flag(archive: FlagArchive, analysed: AnalysedFile, span: Mapping[str, Any], *, reporter: str) -> Flag | None:
    """The flag that the same reporter made of the same span of the same analysis; None without one."""
    report = analysed.report

    def is_same(flag: Flag) -> bool:
        return (
            (flag.source_sha256, flag.settings) == (report["source"]["sha256"], report["settings"])
            and (flag.reporter, flag.track_id, flag.weights_sha256)
            == (reporter, span["track_id"], report["model"]["weights_sha256"])
            and abs(flag.start - span["start"]) <= _TIME_RESOLUTION
            and abs(flag.end - span["end"]) <= _TIME_RESOLUTION
        )

    flags = archive.store.find(FlagQuery(source=analysed.name), limit=_SEARCHED)
    return next(filter(is_same, flags), None)


def _draft(
    analysed: AnalysedFile, span: Mapping[str, Any], *, shown: Frame, drawn: Frame, reporter: str, note: str
) -> FlagDraft:
    """The draft of a flag, from the span's best frame and the same frame of the annotated video."""
    report = analysed.report
    rows = _read_timeline(analysed.results / TIMELINE_FILE)
    faces = _faces_at(report, rows, span["best_time"])
    track, index, moment = span["track_id"], span["best_frame"], span["best_time"]
    if index is None:
        index, moment = shown.index, shown.media_time
    face = next((face for face in faces if face.track_id == track), None)
    is_placed = (face is not None or (track is None and len(rows) > 0)) and all(face.box is not None for face in faces)
    engines = [row.engine for row in rows if row.frame_index == index]
    if face is None and track is not None:
        face = _unplaced_face(_track(report, track), Label(span["label"]))
    return FlagDraft(
        provenance=_provenance(analysed, engine=engines[0] if engines else report["engine"]["name"]),
        mark=FlagMark(
            media_time=min(max(moment, span["start"]), span["end"]),
            frame_index=index,
            start=span["start"],
            end=span["end"],
            reporter=reporter,
            note=note,
        ),
        frame=FlagFrame(
            frame_index=shown.index,
            media_time=shown.media_time,
            width=shown.width,
            height=shown.height,
            faces=tuple(faces) if is_placed else None,
            captured_at=shown.captured_at,
            picture=jpeg.encode(shown.pixels, quality=JPEG_QUALITY),
            overlay=jpeg.encode(drawn.pixels, quality=JPEG_QUALITY),
        ),
        face=face,
        changes=report["label_changes"],
        samples=[
            FlagSample(
                track_id=row.track_id,
                frame_index=row.frame_index,
                media_time=row.media_time,
                log_odds=row.log_odds,
                weight=row.weight,
                label=row.label,
                probability=row.probability,
                box=row.box,
            )
            for row in rows
            if row.log_odds is not None and row.media_time <= span["end"]
        ],
    )


def _provenance(analysed: AnalysedFile, *, engine: str) -> FlagProvenance:
    report = analysed.report
    return FlagProvenance(
        source=analysed.name,
        source_kind=report["source"]["kind"],
        source_sha256=report["source"]["sha256"],
        engine=engine,
        model=report["model"]["id"],
        weights_sha256=report["model"]["weights_sha256"],
        program=report["program"]["version"],
        settings=report["settings"],
    )


def _read_timeline(path: Path) -> Sequence[TimelineSample]:
    """The rows of the timeline; empty if the file cannot be read."""
    try:
        return list(TimelineSample.read(path))
    except OutputError as error:
        _log.warning("a flag has no face boxes, because its timeline cannot be read: %s", error)
        return []


def _faces_at(report: JsonObject, rows: Iterable[TimelineSample], moment: float) -> list[FlagFace]:
    """The faces in the frame at a media time, each from its nearest sample.

    Every face in a frame is sampled once in each slot of ``min_score_interval`` seconds. A face without a sample within
    this interval is therefore not in the frame.
    """
    settings = rename_settings(report["settings"]).get("classifier", {})
    within = settings.get("min_score_interval", ClassifierSettings().min_score_interval) + _TIME_RESOLUTION
    by_track: dict[int, list[TimelineSample]] = {}
    for row in rows:
        by_track.setdefault(row.track_id, []).append(row)
    faces = []
    for track in report["tracks"]:
        samples = by_track.get(track["track_id"], [])
        is_seen = track["first_seen"] - _TIME_RESOLUTION <= moment <= track["last_seen"] + _TIME_RESOLUTION
        nearest = min(samples, key=lambda row: abs(row.media_time - moment), default=None)
        if is_seen and nearest is not None and abs(nearest.media_time - moment) <= within:
            usable = sum(row.weight > 0 for row in samples if row.media_time <= nearest.media_time)
            faces.append(_placed_face(track, nearest, usable=usable))
    return faces


def _placed_face(track: JsonObject, row: TimelineSample, *, usable: int) -> FlagFace:
    """The face of a row, with the reasons of the track's verdict, because a row has none."""
    return FlagFace(
        track_id=row.track_id,
        box=row.box,
        label=row.label,
        probability=row.probability,
        samples=usable,
        effective_samples=row.effective_samples,
        reasons=_reasons(track),
    )


def _unplaced_face(track: JsonObject, label: Label) -> FlagFace:
    """The face of a span without a row at its best frame: its box is unknown."""
    return FlagFace(
        track_id=track["track_id"],
        box=None,
        label=label,
        probability=None,
        samples=track["samples"],
        effective_samples=track["effective_samples"],
        reasons=_reasons(track),
    )


def _reasons(track: JsonObject) -> tuple[Reason, ...]:
    return tuple(map(Reason, track["reasons"]))


def _track(report: JsonObject, track_id: int) -> JsonObject:
    track: JsonObject = next(track for track in report["tracks"] if track["track_id"] == track_id)
    return track


def _frame_at(file: Path, media_time: float, settings: SourceSettings, *, late: float) -> Frame:
    """The frame on the screen at a media time, seconds; the file's last frame stays there for ``late`` seconds."""
    shown = None
    with open_isolated(file, settings) as source:
        for frame in source:
            if shown is not None and frame.media_time > media_time + _TIME_RESOLUTION:
                return shown
            shown = frame
    if shown is None or shown.media_time < media_time - late:
        raise SourceUnreadableError(f"{file.name}: it ends before {media_time:g} s; was it replaced?")
    return shown
