"""The events that people are notified of, as values, and their text."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Final

from monitor.settings import NotifiedEvent
from monitor.types import Label
from monitor.types.formatting import count, percent

_INDICATION: Final = "An indication, not proof."


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One event of one source, for people."""

    kind: NotifiedEvent
    source: str  # display name, secrets masked
    source_id: str  # of the stream
    at: datetime  # UTC
    label: Label | None = None  # of the face; None: no face
    before: Label | None = None  # the label until then
    probability: float | None = None  # P(fake)
    face: int | None = None  # track id
    reporter: str = ""  # of a flag; "": the program
    detail: str = ""  # reason of a loss, note of a flag; secrets masked
    is_final: bool = False  # whether the program no longer tries to open a lost stream

    @property
    def severity(self) -> int:
        """0 for a stream, 1 for a suspicious face or a flag, 2 for a face that is likely fake."""
        return {"likely_fake": 2, "suspicious": 1, "flag": 1}.get(self.kind, 0)

    @property
    def finding(self) -> str:
        """Text such as "face 2, likely fake, P(fake) 94 %"; "" without a face."""
        parts = [] if self.face is None else [f"face {self.face}"]
        parts += [] if self.label is None else [self.label.in_words]
        parts += [] if self.probability is None else [f"P(fake) {percent(self.probability)}"]
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class NoticeMessage:
    """A message to people."""

    title: str
    body: str
    severity: int = 0  # of the worst notice
    picture: bytes | None = None  # JPEG


@dataclass(slots=True)
class HeldSource:
    """The held notices of one source, counted; only the first, the last and the worst are kept."""

    worst: Notice
    first: datetime
    last: datetime
    counts: Counter[NotifiedEvent] = field(default_factory=Counter)
    name: str = ""  # the newest

    def add(self, notice: Notice) -> None:
        """Count another notice."""
        self.counts[notice.kind] += 1
        self.name, self.last = notice.source, notice.at
        if _rank(notice) > _rank(self.worst):
            self.worst = notice


def _rank(notice: Notice) -> tuple[int, float]:
    return notice.severity, notice.probability or 0.0


def describe_notice(notice: Notice, *, zone: tzinfo, url: str, picture: bytes | None = None) -> NoticeMessage:
    """The message about one event.

    Args:
        notice: the event.
        zone: of the times in the text.
        url: of the dashboard; "" for no link.
        picture: JPEG.
    """
    title, lines = _sentences(notice)
    lines.append(f"Time: {_moment(notice.at, zone)}.")
    if notice.label is not None:
        lines.append(_INDICATION)
    if url:
        lines.append(f"{url}/review" if notice.kind == "flag" else url)
    return NoticeMessage(title, "\n".join(lines), severity=notice.severity, picture=picture)


def _sentences(notice: Notice) -> tuple[str, list[str]]:
    name = notice.source
    match notice.kind:
        case "stream_lost":
            why = notice.detail.rstrip(".") or "the connection was lost"
            then = (
                "The program does not try again: resume the source on the page Live."
                if notice.is_final
                else "The program tries again by itself."
            )
            return f"{name}: no picture", [f"{name} sends no picture: {why}.", then]
        case "stream_back":
            return f"{name}: the picture is back", [f"{name} sends pictures again."]
        case "flag":
            who = notice.reporter or "The program"
            lines = [f"{who} flagged a moment of {name}{f': {notice.finding}' if notice.finding else ''}."]
            return f"{name}: a moment was flagged", lines + ([f"Note: {notice.detail}"] if notice.detail else [])
    words = "suspicious" if notice.label is None else notice.label.in_words
    chance = "" if notice.probability is None else f", P(fake) {percent(notice.probability)}"
    before = [] if notice.before is None else [f"Before: {notice.before.in_words}."]
    return f"{name}: face {notice.face} is {words}", [f"Face {notice.face} in {name} is {words}{chance}.", *before]


def describe_digest(
    sources: list[HeldSource], *, zone: tzinfo, url: str, picture: bytes | None = None
) -> NoticeMessage:
    """One message about all held events, the worst source first; the arguments are those of ``describe_notice``."""
    ordered = sorted(sources, key=lambda source: _rank(source.worst), reverse=True)
    number = sum(source.counts.total() for source in ordered)
    title = f"{count(number, 'event')} in {count(len(ordered), 'source')}"
    lines = [_summary(source, zone) for source in ordered]
    if any(source.worst.label is not None for source in ordered):
        lines.append(_INDICATION)
    lines += [url] if url else []
    return NoticeMessage(title, "\n".join(lines), severity=ordered[0].worst.severity, picture=picture)


_COUNTED: Final[dict[NotifiedEvent, str]] = {
    "likely_fake": "likely fake {}",
    "suspicious": "suspicious {}",
    "flag": "flagged {}",
    "stream_lost": "picture lost {}",
    "stream_back": "picture back {}",
}


def _summary(source: HeldSource, zone: tzinfo) -> str:
    """Text such as "Door, 22:10 to 06:40: likely fake once, suspicious 3 times. Worst: face 2, ..."."""
    found = [text.format(_times(source.counts[kind])) for kind, text in _COUNTED.items() if source.counts[kind]]
    line = f"{source.name}, {_span(source.first, source.last, zone)}: {', '.join(found)}."
    if source.worst.finding:
        line += f" Worst: {source.worst.finding}, at {_moment(source.worst.at, zone)}."
    return line


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _span(first: datetime, last: datetime, zone: tzinfo) -> str:
    texts = [f"{moment.astimezone(zone):%H:%M}" for moment in (first, last)]
    return texts[0] if texts[0] == texts[1] else " to ".join(texts)


def _moment(at: datetime, zone: tzinfo) -> str:
    """A time with its zone: "2026-11-30 21:14:05 CET"."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"
