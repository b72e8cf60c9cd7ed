"""A flag: a moment marked for review by a person or by the program, with its files."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self

from monitor.types.formatting import clock, clock_span
from monitor.types.labels import Label, Reason
from monitor.types.serialise import EXACT

_ROUNDING: Final = 1e-3  # seconds; a media time in a report has three digits
_SHORT: Final = 0.5  # seconds; a smaller difference is the distance of two pictures


class Opinion(StrEnum):
    """A person's opinion on a flag."""

    FAKE = "fake"
    REAL = "real"
    UNSURE = "unsure"


class Origin(StrEnum):
    """The origin of a flag."""

    PERSON = "person"
    AUTOMATIC = "automatic"  # a suspicious segment


class ClipState(StrEnum):
    """The state of a flag's clip."""

    PENDING = "pending"  # the clip's last seconds are not recorded yet
    KEPT = "kept"
    MISSING = "missing"  # the reason is in ``Flag.clip_why``


@dataclass(frozen=True, slots=True)
class FlagFile:
    """A file stored with a flag."""

    name: str  # of the file in the flag's folder
    sha256: str  # of the file, hexadecimal
    size: int  # of the file, bytes


@dataclass(frozen=True, slots=True)
class Flag:
    """A marked moment with the program's verdict and a person's review."""

    id: str  # of the flag; sorts by time
    created_at: datetime  # when it was marked, UTC
    origin: Origin
    reporter: str  # name of the reporter; "" if unknown
    source: str  # name for people, passwords masked
    source_kind: str  # kind of the source, e.g. rtsp
    source_sha256: str | None  # of a file, hexadecimal; None: not a file
    start: float  # requested start of the clip, media time, seconds
    end: float  # requested end of the clip, media time, seconds
    media_time: float  # of the marked moment, within the requested span
    captured_at: datetime  # UTC, of the frame at that moment
    frame_index: int  # of that frame
    track_id: int | None  # of the face; None: the whole picture
    box: tuple[float, float, float, float] | None  # of the face: x1 y1 x2 y2, pixels of the frame
    label: Label  # at that moment
    probability: float | None  # calibrated P(fake) at that moment
    samples: int  # usable samples until then
    effective_samples: float  # effective number of independent samples
    reasons: tuple[Reason, ...]  # reasons for missing or reduced evidence
    trace: tuple[Mapping[str, Any], ...] = field(metadata=EXACT)  # label changes, as in report.json
    engine: str  # engine and precision, e.g. onnxruntime-fp32
    model: str  # id of the weights
    weights_sha256: str  # of the weights, hexadecimal
    program: str  # version of the program
    settings: Mapping[str, Any] = field(metadata=EXACT)  # settings of the verdict
    opinion: Opinion | None = None  # of the reviewer
    category: str = ""  # free text of the reviewer
    note: str = ""  # free text of the reviewer
    reviewed_by: str = ""  # name of the reviewer
    reviewed_at: datetime | None = None  # UTC; None: not reviewed
    clip: ClipState = ClipState.PENDING  # state of the clip
    clip_why: str = ""  # reason for a missing clip
    clip_start: float | None = None  # media time of the clip's first picture, seconds; null: no clip, or not recorded
    clip_end: float | None = None  # media time of the clip's last picture, seconds; null: no clip, or not recorded
    exhibits: tuple[FlagFile, ...] = ()  # files stored with the flag

    def __post_init__(self) -> None:
        for name in ("created_at", "captured_at", "reviewed_at"):
            moment = getattr(self, name)
            if moment is not None and moment.utcoffset() is None:
                raise ValueError(f"{name} needs a time zone")
        if not self.start <= self.media_time <= self.end:
            raise ValueError(
                f"the moment {self.media_time:g} s lies outside of its span {self.start:g} to {self.end:g} s"
            )

    @property
    def clip_in_words(self) -> str:
        """The state of the clip and its real span, such as "0:04.0 to 0:07.8"."""
        if self.clip is not ClipState.KEPT:
            return f"{self.clip}: {self.clip_why}" if self.clip_why else str(self.clip)
        span = self.clip_span
        return "kept" if span is None else clock_span(*span)

    @property
    def clip_warning(self) -> str:
        """A clause that names the missing part of a kept clip; "" if the clip holds the requested span."""
        if self.clip is not ClipState.KEPT:
            return ""
        requested, span = clock_span(self.start, self.end), self.clip_span
        if span is None:
            return f"the real span was not recorded, {requested} was requested"
        lacks = []
        if not span[0] - _ROUNDING <= self.media_time <= span[1] + _ROUNDING:
            lacks.append(f"it does not contain the flagged moment {clock(self.media_time)}")
        if span[0] > self.start + _SHORT or span[1] < self.end - _SHORT:
            lacks.append(f"it is shorter than the requested {requested}")
        return ", ".join(lacks)

    @property
    def clip_span(self) -> tuple[float, float] | None:
        """Media time of the clip's first and last picture, seconds; None: no clip, or not recorded."""
        return None if self.clip_start is None or self.clip_end is None else (self.clip_start, self.clip_end)

    def record(self) -> dict[str, Any]:
        """The flag as JSON values.

        Without a clip of a known span, the keys of that span are omitted. So the flags of a program that did not know
        these keys keep their hashes.
        """
        facts = asdict(self)
        if self.clip_span is None:
            del facts["clip_start"], facts["clip_end"]
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in facts.items()}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """The flag of a :meth:`record`.

        Raises:
            KeyError: a key is missing.
            TypeError: a key is unknown.
            ValueError: a value is not allowed.
        """
        moments = ("created_at", "captured_at", "reviewed_at")
        facts = {**record} | {name: record[name] and datetime.fromisoformat(record[name]) for name in moments}
        facts |= {
            "origin": Origin(record["origin"]),
            "label": Label(record["label"]),
            "opinion": record["opinion"] and Opinion(record["opinion"]),
            "clip": ClipState(record["clip"]),
            "reasons": tuple(Reason(reason) for reason in record["reasons"]),
            "box": record["box"] and tuple(record["box"]),
            "trace": tuple(record["trace"]),
            "exhibits": tuple(FlagFile(**exhibit) for exhibit in record["exhibits"]),
        }
        return cls(**facts)

    @property
    def canonical(self) -> bytes:
        """A canonical byte representation for hashing."""
        return json.dumps(self.record(), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @property
    def sha256(self) -> str:
        """The SHA-256 of the canonical bytes, hexadecimal; every change of the flag changes it."""
        return hashlib.sha256(self.canonical).hexdigest()
