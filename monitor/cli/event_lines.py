"""The terminal output of events and results, as lines or JSON objects."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from rich.markup import escape

from monitor.runtime import StreamStatus
from monitor.runtime.frame_buffer import STOPPED
from monitor.types import (
    ContentCredentials,
    CredentialState,
    Hint,
    Label,
    LabelChange,
    Reason,
    Segment,
    SourceInfo,
    SourceVerdict,
    TrackSummary,
    Verdict,
)
from monitor.types.events import StreamStateChanged
from monitor.types.formatting import clock, clock_span, percent, reasons_in_words, share
from monitor.types.stats import SessionStats

_CAUSES = {STOPPED: "read but not analysed before the end"}  # others are plain words already
STYLES = {
    Label.NOT_ENOUGH_EVIDENCE: "dim",
    Label.LIKELY_REAL: "blue",
    Label.SUSPICIOUS: "yellow",
    Label.LIKELY_FAKE: "bold red",
}


class SourceResult(Protocol):
    """The result of a whole source: a Report of this machine, or a RemoteReport of a server."""

    @property
    def verdict(self) -> SourceVerdict:
        """Of the whole source."""

    @property
    def source(self) -> SourceInfo:
        """The analysed source."""

    @property
    def tracks(self) -> tuple[TrackSummary, ...]:
        """All tracks with their verdicts."""

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Suspicious spans."""

    @property
    def hints(self) -> tuple[Hint, ...]:
        """On the stream itself."""

    @property
    def content_credentials(self) -> ContentCredentials | None:
        """Of the file; None for other sources."""

    @property
    def frames(self) -> SessionStats:
        """Counts of all frames."""

    @property
    def failure(self) -> Exception | None:
        """The error that ended the source early."""

    @property
    def folder(self) -> Path | None:
        """The folder of the result files; None: there is none."""


def styled(label: Label) -> str:
    """The label in words, with its colour."""
    return f"[{STYLES[label]}]{label.in_words}[/]"


def _in_brackets(reasons: Iterable[Reason]) -> str:
    words = reasons_in_words(reasons)
    return f" ({words})" if words else ""


def change_line(change: LabelChange, verdict: Verdict) -> str:
    """``0:12.4  face 1  likely real -> suspicious  P(fake) 78 %, 14 samples, 96 % usable``."""
    line = f"{clock(change.media_time):>9}  face {change.track_id}  {change.before.in_words} -> {styled(change.after)}"
    line += _in_brackets(change.reasons)
    if change.probability is not None:
        line += f"  P(fake) {percent(change.probability)}"
    line += f", {verdict.samples} samples, {share(verdict.usable_share)} usable"
    return line


def appearance_line(verdict: Verdict, media_time: float) -> str:
    """``0:00.1  face 1  appears: not enough evidence (too few samples)``."""
    label = styled(verdict.label) + _in_brackets(verdict.reasons)
    return f"{clock(media_time):>9}  face {verdict.track_id}  appears: {label}"


def appearance_record(verdict: Verdict, media_time: float) -> dict[str, Any]:
    """The line as a JSON object."""
    return {"type": "face_appeared", "media_time": round(media_time, 3), **verdict.to_dict()}


def departure_line(summary: TrackSummary) -> str:
    """``0:07.0  face 2  is gone: likely real, P(fake) 25 %``."""
    verdict = summary.verdict
    line = f"{clock(summary.last_seen):>9}  face {summary.track_id}  is gone: {styled(verdict.label)}"
    line += _in_brackets(verdict.reasons)
    if verdict.probability is not None and verdict.label is not Label.NOT_ENOUGH_EVIDENCE:
        line += f", P(fake) {percent(verdict.probability)}"
    return line


def departure_record(summary: TrackSummary) -> dict[str, Any]:
    """The line as a JSON object."""
    return {"type": "face_left", "media_time": round(summary.last_seen, 3), **summary.to_dict()}


def hint_line(hint: Hint) -> str:
    """``0:14.0  stream  frozen since 0:12.0``."""
    if hint.end is None:
        return f"{clock(hint.start):>9}  stream  [magenta]{escape(hint.in_words)}[/]"
    return f"{clock(hint.end):>9}  stream  no longer {hint.kind.in_words}"


def hint_span(hint: Hint) -> str:
    """``stream  frozen  0:12.0 to 0:20.0``."""
    return f"  stream  [magenta]{escape(hint.in_words)}[/]  {clock_span(hint.start, hint.end)}"


def note_line(note: str) -> str:
    """``note  HDR (PQ, BT.2020), converted to SDR (BT.709)``."""
    return f"  note  {escape(note)}"


def credentials_line(credentials: ContentCredentials) -> str:
    """``content credentials  This file carries content credentials, signed by ...``."""
    return f"  content credentials  {escape(credentials.in_words)}"


def segment_line(segment: Segment) -> str:
    """``suspicious span  face 1  0:08.2 to 0:15.9  likely fake, highest score of one picture 97 %``."""
    span = clock_span(segment.start, segment.end)
    peak = f"highest score of one picture {percent(segment.peak)}"
    return f"  suspicious span  face {segment.track_id}  {span}  {styled(segment.label)}, {peak}"


def verdict_line(verdict: SourceVerdict) -> str:
    """``likely real, P(fake) 25 % (face 1)``: the verdict on the whole source."""
    line = styled(verdict.label) + _in_brackets(verdict.reasons)
    if verdict.probability is not None:
        line += f", P(fake) {percent(verdict.probability)} (face {verdict.track_id})"
    return line


def status_line(stats: SessionStats) -> str:
    """Frames per second, latency, and the number of dropped frames by cause."""
    line = f"{stats.fps:.1f} fps, {stats.frames_analysed} frames"
    if stats.latency_p50 is not None and stats.latency_p95 is not None:
        line += f", latency p50 {stats.latency_p50 * 1e3:.0f} ms, p95 {stats.latency_p95 * 1e3:.0f} ms"
    return f"{line}, dropped: {_drop_counts(stats) or 'none'}"


def state_line(status: StreamStatus | StreamStateChanged) -> str:
    """``reconnecting (attempt 3 in 2 s): rtsp://cam: no answer within 5 s``."""
    retry = "" if status.retry_after is None else f" (attempt {status.attempt} in {status.retry_after:.1f} s)"
    line = f"[bold]{status.state}[/]{retry}"
    return f"{line}: {escape(status.reason)}" if status.reason else line


def _drop_counts(stats: SessionStats) -> str:
    causes = (*stats.dropped.items(), *stats.lost.items())
    return ", ".join(f"{count} {_CAUSES.get(cause, cause)}" for cause, count in causes)


def result_lines(result: SourceResult) -> list[str]:
    """Suspicious spans, hints, notes on the reading, content credentials, lost frames, and paths of the results."""
    lines = [segment_line(segment) for segment in result.segments]
    lines += [hint_span(hint) for hint in result.hints]
    lines += [note_line(note) for note in result.source.notes]
    credentials = result.content_credentials
    if credentials is not None and credentials.state is not CredentialState.NONE:
        lines.append(credentials_line(credentials))
    lost = _drop_counts(result.frames)
    if lost:
        lines.append(f"  not seen: {lost}")
    if result.folder is not None:
        lines += [f"  {escape(str(path))}" for path in sorted(result.folder.iterdir())]
    return lines


def result_record(name: str, result: SourceResult) -> dict[str, Any]:
    """The result of a whole source as a JSON object."""
    return {
        "source": name,
        **result.verdict.to_dict(),
        "tracks": [track.to_dict() for track in result.tracks],
        "segments": [segment.to_dict() for segment in result.segments],
        "hints": [hint.to_dict() for hint in result.hints],
        "notes": list(result.source.notes),
        "content_credentials": None if result.content_credentials is None else result.content_credentials.to_dict(),
        "frames": result.frames.to_dict(),
        "error": None if result.failure is None else str(result.failure),
        "folder": None if result.folder is None else str(result.folder),
    }
