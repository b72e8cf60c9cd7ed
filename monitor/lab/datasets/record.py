"""One labelled video or picture of a data set, as returned by every reader."""

import math
from dataclasses import dataclass
from pathlib import Path

from monitor.errors import DatasetError

SPLITS = ("train", "val", "test")
Box = tuple[float, float, float, float]  # x1 y1 x2 y2, pixels


@dataclass(frozen=True, slots=True)
class FakeSpan:
    """A manipulated span of media time in a video, ``start <= t < end``, seconds."""

    start: float
    end: float

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise DatasetError(f"a fake span cannot run from {self.start} to {self.end} s: it needs 0 <= start < end")


@dataclass(frozen=True, slots=True)
class FlaggedFace:
    """Box and time of the labelled face, as a person flagged it."""

    box: Box | None  # pixels of the file's own frame; None: no box was given
    start: float = 0.0  # seconds of media time, ``start <= t < end``
    end: float = math.inf


@dataclass(frozen=True, slots=True)
class Record:
    """One labelled video or picture.

    ``video_id`` is unique in its data set: the relative path without suffix. A base name alone is not unique, as
    methods reuse base names. ``path`` may lead into a tar file: ``1.tar.gz/1/fake/0`` is the folder ``1/fake/0`` of
    that archive. ``identities`` are prefixed with the collection that numbers them (``ffpp:071``), so that they are
    comparable across data sets.
    """

    dataset: str
    video_id: str
    path: Path
    label: int  # 1 = fake, 0 = real
    split: str = ""  # "train", "val", "test", or "" (not assigned)
    method: str = ""  # "" for real
    compression: str = ""  # "raw", "c23", ..., or ""
    identities: tuple[str, ...] = ()  # people who are visible or were used as source
    group: str = ""  # always in one split
    spans: tuple[FakeSpan, ...] | None = None  # None: the whole file carries its label
    original: str = ""  # video id of a fake's original, if known
    flagged: tuple[FlaggedFace, ...] = ()  # the labelled face and its times; all or none with a box

    def __post_init__(self) -> None:
        if self.label not in (0, 1):
            raise DatasetError(f"{self.video_id}: the label is {self.label!r}, and must be 1 (fake) or 0 (real)")
        if self.split not in ("", *SPLITS):
            raise DatasetError(
                f'{self.video_id}: the split is {self.split!r}, and must be train, val, test or "" (not assigned)'
            )
        if not self.video_id:
            raise DatasetError(f"{self.path}: a record needs a video id that is unique within {self.dataset}")


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (areas - shared) if areas > shared else 0.0
