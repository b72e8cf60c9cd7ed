"""What an export tells people who do not have this program: the content of its pages, and the HTML one.

The same :class:`ExportDocument` is what ``printout`` puts on paper.
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
    "A verdict is an indication, not proof: it is the output of a statistical model that errs in both directions, most "
    "of all on material unlike what it was trained on. A low probability does not show that a face is genuine.",
    "The heat-map shows where the evidence of the model came from. It does not show where a picture was altered.",
    "The hashes show that the files were not changed after they were kept. They say nothing of what happened to the "
    "material before this program saw it.",
)
BLURRED: Final = (
    "This export was made with blurring: in its pictures every face that the program found is made unrecognisable, but "
    "the flagged one. A face that it did not find is as it was. Files whose faces are not known were left out. The "
    "files named as blurred are not the ones that were kept; the hashes of those are given beside theirs."
)


@dataclass(frozen=True, slots=True)
class DocumentFact:
    """A line about a flag."""

    name: str
    text: str
    code: str = ""  # follows the text: a hash, an id
    link: str = ""  # where the text leads, relative to the page


@dataclass(frozen=True, slots=True)
class DocumentPicture:
    """A picture that is shown."""

    name: str
    content: bytes  # of the file

    @property
    def uri(self) -> str:
        """The picture itself, as HTML takes it."""
        kind = _PICTURES[Path(self.name).suffix]
        return f"data:{kind};base64,{base64.b64encode(self.content).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class DocumentEntry:
    """What is said of one flag."""

    heading: str
    label: str
    summary: str  # goes on after the label
    pictures: tuple[DocumentPicture, ...]
    facts: tuple[DocumentFact, ...]
    absent: tuple[DocumentFact, ...]  # why files are not there, and which
    files: tuple[tuple[str, str, str], ...]  # name, bytes, SHA-256
    log: tuple[tuple[str, str, str, str], ...]  # when, who, what, hash


@dataclass(frozen=True, slots=True)
class ExportDocument:
    """All that the pages say, in their order."""

    title: str
    preface: str
    limits: tuple[str, ...]
    entries: tuple[DocumentEntry, ...]


def compiled(
    flags: Sequence[Flag], *, events: Sequence[HistoryEvent], copies: Mapping[str, ExportFiles], blurred: bool = False
) -> ExportDocument:
    """The dossier of these flags.

    Args:
        flags: in the order of the pages.
        events: of these flags.
        copies: by id, the files of each flag as they go into the export.
        blurred: whether bystanders were asked to be made unrecognisable.
    """
    return ExportDocument(
        title=count(len(flags), "flagged moment"),
        preface=f"Written by deepfake-monitor {monitor.__version__}. Times of day are UTC; media time counts from the "
        "start of the source.",
        limits=(*LIMITS, BLURRED) if blurred else LIMITS,
        entries=tuple(
            _entry(flag, copies[flag.id], [event for event in events if event.flag_id == flag.id]) for flag in flags
        ),
    )


def page(dossier: ExportDocument) -> str:
    """As HTML, pictures inside, made to be printed; only the clips lie beside it in the bundle."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(dossier=dossier)


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
        absent=tuple(_absent(copies)),
        files=tuple(_files(flag, copies)),
        log=tuple((_utc(event.at), event.actor or "the program", event.action, event.sha256) for event in events),
    )


def _summary(flag: Flag) -> str:
    probability = percent_or_unknown(flag.probability)
    witnesses = f"{flag.effective_samples:.1f} independent witness" + ("es" if flag.effective_samples != 1 else "")
    reasons = reasons_in_words(flag.reasons)
    return (
        f"P(fake) {probability}, from {count(flag.samples, 'sample')} that amount to {witnesses}"
        + (f"; {reasons}" if reasons else "")
        + "."
    )


def _facts(flag: Flag, copies: ExportFiles) -> Iterator[DocumentFact]:
    opinion = ", ".join(filter(None, (flag.opinion or "not yet", flag.category)))
    if flag.reviewed_by and flag.reviewed_at:
        opinion += f" ({flag.reviewed_by}, {_utc(flag.reviewed_at)})"
    face = "the picture as a whole" if flag.track_id is None else str(flag.track_id)
    if flag.box:
        face += f", box {' '.join(str(round(edge)) for edge in flag.box)}"
    yield DocumentFact("Judged by a person", opinion)
    yield DocumentFact("Note", flag.note)
    yield DocumentFact("Flagged by", f"{flag.reporter or flag.origin}, {_utc(flag.created_at)}")
    yield DocumentFact(
        "Span",
        f"{clock_span(flag.start, flag.end)}, frame {flag.frame_index} at {_utc(flag.captured_at)}",
    )
    yield DocumentFact("Face", face)
    digest = flag.source_sha256 or ""
    yield DocumentFact("Source", f"{flag.source_kind}, SHA-256" if digest else flag.source_kind, code=digest)
    yield _clip(flag, copies)
    yield DocumentFact(
        "Judged with",
        f"{flag.model} on {flag.engine}, version {flag.program}, weights",
        code=flag.weights_sha256,
    )
    yield DocumentFact("Id", "", code=flag.id)


def _clip(flag: Flag, copies: ExportFiles) -> DocumentFact:
    if flag.clip is not ClipState.KEPT:
        return DocumentFact("Clip", f"{flag.clip}: {flag.clip_why}" if flag.clip_why else str(flag.clip))
    if CLIP in copies.left_out:
        return DocumentFact("Clip", "kept, not in this export")
    return DocumentFact("Clip", CLIP, link=f"flags/{flag.id}/{CLIP}")


def _absent(copies: ExportFiles) -> Iterator[DocumentFact]:
    if copies.missing:
        yield DocumentFact("Recorded, but no longer there:", ", ".join(copies.missing))
    for name, why in copies.left_out.items():
        yield DocumentFact("Left out:", f"{name}, because {why}")


def _files(flag: Flag, copies: ExportFiles) -> Iterator[tuple[str, str, str]]:
    """As they were kept, and beside them those that are different here."""
    altered = {copy.exhibit.name: copy for copy in copies.files if copy.altered}
    for exhibit in flag.exhibits:
        copy = altered.get(exhibit.name)
        name = exhibit.name if copy is None else f"{exhibit.name}, as kept"
        yield (name, str(exhibit.size), exhibit.sha256)
        if copy is not None:
            yield (f"{exhibit.name}, here: {copy.altered}", str(copy.size), copy.sha256)


def _utc(moment: datetime | str) -> str:
    """To the second, for people; the files have it in full."""
    when = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
