"""Hints: signs that a stream was manipulated or is unreliable. They never change a verdict on a face."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from monitor.types.serialise import Serialisable


class HintKind(StrEnum):
    """The kind of a hint."""

    FROZEN = "FROZEN"
    LOOPED = "LOOPED"
    DUPLICATED_PTS = "DUPLICATED_PTS"
    IMPOSSIBLE_CADENCE = "IMPOSSIBLE_CADENCE"
    RESOLUTION_CHANGED = "RESOLUTION_CHANGED"
    VIRTUAL_CAMERA = "VIRTUAL_CAMERA"
    TURNED_PICTURE = "TURNED_PICTURE"

    @property
    def in_words(self) -> str:
        """Text for people: "picture size changed"."""
        return _KINDS_IN_WORDS[self]


_KINDS_IN_WORDS = {
    HintKind.FROZEN: "frozen",
    HintKind.LOOPED: "looped",
    HintKind.DUPLICATED_PTS: "time stamps repeated or out of order",
    HintKind.IMPOSSIBLE_CADENCE: "impossible cadence",
    HintKind.RESOLUTION_CHANGED: "picture size changed",
    HintKind.VIRTUAL_CAMERA: "virtual camera",
    HintKind.TURNED_PICTURE: "picture turned",
}


@dataclass(frozen=True, slots=True)
class Hint(Serialisable):
    """A span of media time with a sign of manipulation. Each kind also has harmless causes."""

    kind: HintKind  # in which way the stream looks wrong
    start: float  # media time, seconds
    end: float | None = None  # media time, seconds; None: it holds still
    detail: str = ""  # the finding, as text for people: "640 x 360 to 1280 x 720"
    _shown: ClassVar = {"in_words": 0}

    @property
    def in_words(self) -> str:
        """Text for people: "looped (shown before, 10.0 s earlier)"."""
        return f"{self.kind.in_words} ({self.detail})" if self.detail else self.kind.in_words
