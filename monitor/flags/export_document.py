"""The report of an export, readable without this program: its content, and its HTML page.

``monitor.flags.pdf`` renders the same :class:`ExportDocument` as a PDF.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import jinja2

import monitor
from monitor.flags.export_files import ExportFiles
from monitor.flags.files import CLIP
from monitor.flags.history import HistoryEvent
from monitor.types import ClipState, Flag
from monitor.types.formatting import clock, clock_span, count, percent_or_unknown, reasons_in_words

_TEMPLATE: Final = Path(__file__).with_name("export_document.html.j2")
_PICTURES: Final = {".jpg": "image/jpeg", ".png": "image/png"}
LIMITS: Final = (
    "A verdict is an indication, not proof. It comes from a statistical model that makes errors in both directions, "
    "most often on material unlike its training data. A low probability does not show that a face is genuine.",
    "The heat-map shows which parts of a face gave the model its evidence. It does not show where a picture was "
    "altered.",
    "The hashes show that the files were not changed after this program saved them. They do not show whether the "
    "material was changed before that.",
)
BLURRED: Final = (
    "This export is blurred: in its pictures, every face that the program detected is unrecognisable, except the "
    "flagged face. A face that the program did not detect is not blurred. In a clip, everything outside the flagged "
    "face is blurred, and the sound is removed. Files with unknown face positions were "
    "omitted. A blurred file differs from the saved file; the table of files lists the hashes of both."
)


@dataclass(frozen=True, slots=True)
class DocumentFact:
    """One line of facts about a flag."""

    name: str
    text: str
    code: str = ""  # follows the text: a hash, an id
    link: str = ""  # target of the text, relative to the page


@dataclass(frozen=True, slots=True)
class DocumentPicture:
    """A picture in the report."""

    name: str
    content: bytes  # JPEG or PNG

    @property
    def uri(self) -> str:
        """The picture as a data URI."""
        kind = _PICTURES[Path(self.name).suffix]
        return f"data:{kind};base64,{base64.b64encode(self.content).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class DocumentEntry:
    """The section of one flag."""

    heading: str
    label: str
    summary: str  # the text after the label
    pictures: tuple[DocumentPicture, ...]
    facts: tuple[DocumentFact, ...]
    absent: tuple[DocumentFact, ...]  # the missing part of the clip; missing and omitted files, with the reasons
    files: tuple[tuple[str, str, str], ...]  # name, bytes, SHA-256
    log: tuple[tuple[str, str, str, str], ...]  # time, person, action, hash


@dataclass(frozen=True, slots=True)
class ExportDocument:
    """The content of the report, in reading order."""

    title: str
    preface: str
    limits: tuple[str, ...]
    entries: tuple[DocumentEntry, ...]


def compile_document(
    flags: Sequence[Flag], *, events: Sequence[HistoryEvent], copies: Mapping[str, ExportFiles], blurred: bool = False
) -> ExportDocument:
    """Compiles the report of these flags.

    Args:
        flags: in the order of the report.
        copies: the exported files of each flag, by id.
    """
    return ExportDocument(
        title=count(len(flags), "flagged moment"),
        preface=f"Written by deepfake-monitor {monitor.__version__}. Dates and times are UTC; media time counts from "
        "the start of the source.",
        limits=(*LIMITS, BLURRED) if blurred else LIMITS,
        entries=tuple(
            _entry(flag, copies[flag.id], [event for event in events if event.flag_id == flag.id]) for flag in flags
        ),
    )


def render_html(document: ExportDocument) -> str:
    """Renders the report as one printable HTML page with embedded pictures; it links to the clips of the bundle."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(document=document)


def _entry(flag: Flag, copies: ExportFiles, events: Sequence[HistoryEvent]) -> DocumentEntry:
    return DocumentEntry(
        heading=f"{flag.source}, {clock(flag.media_time)}",
        label=flag.label.in_words,
        summary=_summary(flag),
        pictures=tuple(
            DocumentPicture(copy.exhibit.name, copy.read())
            for copy in copies.files
            if Path(copy.exhibit.name).suffix in _PICTURES
        ),
        facts=tuple(fact for fact in _facts(flag, copies) if fact.text or fact.code),
        absent=tuple(_absent(flag, copies)),
        files=tuple(_files(flag, copies)),
        log=tuple((_utc(event.at), event.actor or "the program", event.action, event.sha256) for event in events),
    )


def _summary(flag: Flag) -> str:
    probability = percent_or_unknown(flag.probability)
    reasons = reasons_in_words(flag.reasons)
    return (
        f"P(fake) {probability}, from {count(flag.samples, 'sample')} (effective samples: {flag.effective_samples:.1f})"
        + (f"; {reasons}" if reasons else "")
        + "."
    )


def _facts(flag: Flag, copies: ExportFiles) -> Iterator[DocumentFact]:
    opinion = ", ".join(filter(None, (flag.opinion or "not yet", flag.category)))
    if flag.reviewed_by and flag.reviewed_at:
        opinion += f" ({flag.reviewed_by}, {_utc(flag.reviewed_at)})"
    face = "the whole picture" if flag.track_id is None else str(flag.track_id)
    if flag.box:
        face += f", box {' '.join(str(round(edge)) for edge in flag.box)}"
    yield DocumentFact("Person's opinion", opinion)
    yield DocumentFact("Note", flag.note)
    yield DocumentFact("Flagged by", f"{flag.reporter or flag.origin}, {_utc(flag.created_at)}")
    yield DocumentFact(
        "Requested span",
        f"{clock_span(flag.start, flag.end)}, frame {flag.frame_index} at {_utc(flag.captured_at)}",
    )
    yield DocumentFact("Face", face)
    digest = flag.source_sha256 or ""
    yield DocumentFact("Source", f"{flag.source_kind}, SHA-256" if digest else flag.source_kind, code=digest)
    yield from _clip(flag, copies)
    yield DocumentFact(
        "Model",
        f"{flag.model} on {flag.engine}, version {flag.program}, weights",
        code=flag.weights_sha256,
    )
    yield DocumentFact("Id", "", code=flag.id)


def _clip(flag: Flag, copies: ExportFiles) -> Iterator[DocumentFact]:
    if flag.clip is not ClipState.KEPT:
        yield DocumentFact("Clip", flag.clip_in_words)
        return
    if CLIP in copies.skipped:
        yield DocumentFact("Clip", "saved, but not in this export")
    else:
        yield DocumentFact("Clip", CLIP, link=f"flags/{flag.id}/{CLIP}")
    yield DocumentFact("Span of the clip", flag.clip_in_words if flag.clip_span else "")


def _absent(flag: Flag, copies: ExportFiles) -> Iterator[DocumentFact]:
    if flag.clip_warning:
        yield DocumentFact("About the clip:", flag.clip_warning)
    if copies.missing:
        yield DocumentFact("Missing files:", ", ".join(copies.missing))
    for name, why in copies.skipped.items():
        yield DocumentFact("Omitted:", f"{name}, because {why}")


def _files(flag: Flag, copies: ExportFiles) -> Iterator[tuple[str, str, str]]:
    """The files as saved, each followed by its altered version in this export."""
    altered = {copy.exhibit.name: copy for copy in copies.files if copy.altered}
    for exhibit in flag.exhibits:
        copy = altered.get(exhibit.name)
        name = exhibit.name if copy is None else f"{exhibit.name}, as saved"
        yield (name, str(exhibit.size), exhibit.sha256)
        if copy is not None:
            yield (f"{exhibit.name}, in this export: {copy.altered}", str(copy.size), copy.sha256)


def _utc(moment: datetime | str) -> str:
    """A time to the second; the JSON files contain it in full precision."""
    when = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
