"""A flag: a moment marked for review by a person or by the program, with its files."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from monitor.types.labels import Label, Reason
from monitor.types.serialise import EXACT


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
    start: float  # media time, seconds
    end: float  # media time, seconds
    media_time: float  # of the marked moment, within the span
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

    def record(self) -> dict[str, Any]:
        """The flag as JSON values."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(self).items()
        }

    @property
    def canonical(self) -> bytes:
        """A canonical byte representation for hashing."""
        return json.dumps(self.record(), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
