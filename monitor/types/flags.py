"""A moment that somebody, or the program, marked as worth a second look, and what is kept of it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from monitor.types.labels import Label, Reason
from monitor.types.serialise import EXACT


class Opinion(StrEnum):
    """What a person makes of it."""

    FAKE = "fake"
    REAL = "real"
    UNSURE = "unsure"


class Origin(StrEnum):
    """Who marked it."""

    PERSON = "person"
    AUTOMATIC = "automatic"  # a suspicious segment


class ClipState(StrEnum):
    """Whether there is a moving picture of it."""

    PENDING = "pending"  # the seconds after the moment are still to come
    KEPT = "kept"
    MISSING = "missing"  # ``Flag.clip_why`` says why


@dataclass(frozen=True, slots=True)
class FlagFile:
    """A file that is kept with a flag."""

    name: str  # of the file in the flag's folder
    sha256: str  # of the file, hexadecimal
    size: int  # of the file, bytes


@dataclass(frozen=True, slots=True)
class Flag:
    """What was marked, what the program said of it, and what a person says."""

    id: str  # of the flag; sorts by time
    created_at: datetime  # when it was marked, UTC
    origin: Origin
    reporter: str  # who marked it; "" for nobody by name
    source: str  # as a person would name it, passwords masked
    source_kind: str  # kind of the source, e.g. rtsp
    source_sha256: str | None  # of a file, hexadecimal; None: the source is no file
    start: float  # media time, seconds
    end: float  # media time, seconds
    media_time: float  # of the moment itself, within the span
    captured_at: datetime  # UTC, of the frame at that moment
    frame_index: int  # of that frame
    track_id: int | None  # of the face; None: the picture as a whole
    box: tuple[float, float, float, float] | None  # of the face: x1 y1 x2 y2, pixels of the frame
    label: Label  # at that moment
    probability: float | None  # calibrated P(fake) at that moment
    samples: int  # usable samples until then
    effective_samples: float  # how many independent samples these amount to
    reasons: tuple[Reason, ...]  # why there is not enough evidence, or what weakens it
    trace: tuple[Mapping[str, Any], ...] = field(metadata=EXACT)  # changes of label, as report.json has them
    engine: str  # engine and precision, e.g. onnxruntime-fp32
    model: str  # id of the weights
    weights_sha256: str  # of the weights, hexadecimal
    program: str  # version of the program
    settings: Mapping[str, Any] = field(metadata=EXACT)  # that the verdict depends on
    opinion: Opinion | None = None  # of the person who reviewed it
    category: str = ""  # in a person's words
    note: str = ""  # in a person's words
    reviewed_by: str = ""  # name of that person
    reviewed_at: datetime | None = None  # UTC; None: nobody looked yet
    clip: ClipState = ClipState.PENDING  # whether there is a moving picture of it
    clip_why: str = ""  # why there is none
    exhibits: tuple[FlagFile, ...] = ()  # the files that are kept with it

    def __post_init__(self) -> None:
        for name in ("created_at", "captured_at", "reviewed_at"):
            moment = getattr(self, name)
            if moment is not None and moment.utcoffset() is None:
                raise ValueError(f"{name} needs a time zone")
        if not self.start <= self.media_time <= self.end:
            raise ValueError(
                f"the moment {self.media_time:g} s lies outside of its span {self.start:g} to {self.end:g} s"
            )

    def record(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(self).items()
        }

    @property
    def canonical(self) -> bytes:
        """The same flag as the same bytes, for hashing."""
        return json.dumps(self.record(), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
