"""What looks wrong with a stream itself, whoever is seen in it. It never touches what is said of a face."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from monitor.types.serialise import Serialisable


class HintKind(StrEnum):
    """Why a stream looks tampered with, or unreliable."""

    FROZEN = "FROZEN"
    LOOPED = "LOOPED"
    DUPLICATED_PTS = "DUPLICATED_PTS"
    IMPOSSIBLE_CADENCE = "IMPOSSIBLE_CADENCE"
    RESOLUTION_CHANGED = "RESOLUTION_CHANGED"
    VIRTUAL_CAMERA = "VIRTUAL_CAMERA"

    @property
    def in_words(self) -> str:
        """What a person reads: "picture size changed"."""
        return _KINDS_IN_WORDS[self]


_KINDS_IN_WORDS = {
    HintKind.FROZEN: "frozen",
    HintKind.LOOPED: "looped",
    HintKind.DUPLICATED_PTS: "time stamps repeated or out of order",
    HintKind.IMPOSSIBLE_CADENCE: "impossible cadence",
    HintKind.RESOLUTION_CHANGED: "picture size changed",
    HintKind.VIRTUAL_CAMERA: "virtual camera",
}


@dataclass(frozen=True, slots=True)
class Hint(Serialisable):
    """A span of media time in which a stream looks wrong in one way. An indication: there are innocent causes."""

    kind: HintKind  # in which way the stream looks wrong
    start: float  # media time, seconds
    end: float | None = None  # media time, seconds; None: it holds still
    detail: str = ""  # what was found, as people read it: "640 x 360 to 1280 x 720"
    _shown: ClassVar = {"in_words": 0}

    @property
    def in_words(self) -> str:
        """What a person reads: "looped (shown before, 10.0 s earlier)"."""
        return f"{self.kind.in_words} ({self.detail})" if self.detail else self.kind.in_words
