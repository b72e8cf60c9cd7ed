"""Compares clips with the spans that their flags state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from monitor.errors import SourceError, SourceUnavailableError
from monitor.settings import SourceSettings
from monitor.types import Flag

_TOLERANCE: Final = 0.1  # seconds between a stated and a real length
_REQUEST_TOLERANCE: Final = 0.5  # seconds between a requested and a real length
BATCH: Final = 20  # clips that one process measures


@dataclass(frozen=True, slots=True)
class StatedClip:
    """A clip with the statements of its flag; media times in seconds."""

    name: str  # in faults
    path: Path
    requested: tuple[float, float]
    span: tuple[float, float] | None  # None: the flag does not state the clip's own span

    @classmethod
    def of(cls, flag: Flag, path: Path) -> Self:
        """The clip of a flag."""
        return cls(f"{flag.id}/{path.name}", path, (flag.start, flag.end), flag.clip_span)

    @classmethod
    def read(cls, facts: Mapping[str, Any], path: Path, *, name: str) -> Self:
        """The clip of a flag.json."""
        span = (facts["clip_start"], facts["clip_end"]) if "clip_start" in facts else None
        return cls(name, path, (facts["start"], facts["end"]), span)

    def fault(self, length: float | None) -> str | None:
        """A clause that names a contradiction between the flag and the real length, seconds (None: no video)."""
        if length is None:
            return f"{self.name} cannot be read as a video"
        if self.span is not None:
            stated = self.span[1] - self.span[0]
            wrong = abs(length - stated) > _TOLERANCE
            return f"{self.name} has {length:.2f} s, but the flag states {stated:.2f} s" if wrong else None
        requested = self.requested[1] - self.requested[0]
        if length < requested - _REQUEST_TOLERANCE:
            return f"{self.name} has {length:.2f} s of the requested {requested:.2f} s, and the flag does not say so"
        return None


def clip_faults(clips: Sequence[StatedClip]) -> list[str]:
    """The clips whose real length contradicts their flag, one clause each.

    Raises:
        SourceUnavailableError: no process can be started that reads the clips.
    """
    faults = []
    for begin in range(0, len(clips), BATCH):
        batch = clips[begin : begin + BATCH]
        for clip, length in zip(batch, _measure([clip.path for clip in batch]), strict=True):
            if (fault := clip.fault(length)) is not None:
                faults.append(fault)
    return faults


def _measure(paths: Sequence[Path]) -> Iterator[float | None]:
    from monitor.media.clip_length import measure_lengths  # PyAV loads at a verification only
    from monitor.media.worker.task import run_isolated

    try:
        yield from run_isolated(measure_lengths, *paths, settings=SourceSettings())
    except SourceUnavailableError:  # no process can be started
        raise
    except SourceError:  # a clip killed the process: measure each in its own
        if len(paths) == 1:
            yield None
        else:
            for path in paths:
                yield from _measure([path])
