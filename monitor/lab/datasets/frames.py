"""Selects frames of a record, evenly spaced inside or outside its fake spans."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from monitor.errors import DatasetError
from monitor.lab.datasets.archive import inside_archive, open_archive
from monitor.lab.datasets.record import Record
from monitor.media.sources import open_source
from monitor.settings import SourceSettings
from monitor.types import Pixels

_Span = tuple[float, float]

_ROUNDING = 0.001  # seconds; some containers round their times to this
_LAST_RESORT_FPS = 25.0  # for a tolerance of half a frame, if the source has no rate


@dataclass(frozen=True, slots=True, eq=False)
class SampledFrame:
    """One selected frame."""

    pixels: Pixels  # (H, W, 3) RGB
    index: int  # 0-based, in the video or in the archive's folder
    media_time: float  # seconds; 0 without a clock
    still: bool  # a single picture, not one of several
    picture: bool = False  # a separate file, possibly cropped tightly around a face


def frames_of(record: Record, settings: SourceSettings, *, count: int) -> Iterator[SampledFrame]:
    """At most ``count`` frames of a record, in order; one for a picture.

    They are in the middle of ``count`` equal parts of the usable time: the fake spans of a fake, the time outside
    fake spans of a real, or the whole file without spans. If a face was flagged, only its time is usable. There are
    fewer frames if the file ends early or has gaps in its times.

    Raises:
        SourceError: the file cannot be read.
        DatasetError: an archive member cannot be read, or the spans contain no time or no frame.
    """
    place = inside_archive(record.path)
    if place is not None:
        yield from _members(*place, count=count)
        return
    found = False
    for frame in _spread(record, settings, count=count, duration=None):
        found = True
        yield frame
    if not found:  # the header's duration is far too long
        for frame in _spread(record, settings, count=count, duration=_measured(record.path, settings)):
            found = True
            yield frame
    if not found:
        raise DatasetError(f"{record.path}: no frame of it lies in the spans that count")


def moments(record: Record, *, duration: float, count: int) -> list[float]:
    """Ascending times of a record's selected frames, seconds.

    Raises:
        DatasetError: its spans contain no time within ``duration``.
    """
    allowed = _allowed(record, duration)
    total = sum(end - start for start, end in allowed)
    if total <= 0:
        where = "lie outside" if record.label or record.spans is None else "cover all of"
        kind = "fake" if record.spans is not None else "flagged"
        raise DatasetError(f"{record.path}: its {kind} spans {where} the {duration:.2f} s that it lasts")
    times, passed = [], 0.0
    wanted = [(part + 0.5) / count * total for part in range(count)]
    for start, end in allowed:
        times += [start + moment - passed for moment in wanted if passed <= moment < passed + end - start]
        passed += end - start
    return times


def decode(stored: bytes, *, name: str) -> Pixels:
    """A picture file's bytes as (H, W, 3) RGB.

    Raises:
        DatasetError: they are not a picture.
    """
    try:
        pixels = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_COLOR_RGB) if stored else None
    except cv2.error:  # a header with more pixels than OpenCV accepts
        pixels = None
    if pixels is None:
        raise DatasetError(f"{name} is no picture that can be decoded; is it complete?")
    return np.asarray(pixels, np.uint8)


def _members(archive: Path, name: str, *, count: int) -> Iterator[SampledFrame]:
    members = open_archive(archive).below(name)
    if not members:
        raise DatasetError(f"{archive} holds nothing called {name}; is it complete?")
    for index in _evenly(len(members), count):
        pixels = decode(open_archive(archive).read(members[index]), name=f"{archive}/{members[index]}")
        yield SampledFrame(pixels, index, 0.0, still=len(members) == 1, picture=True)


def _evenly(length: int, count: int) -> list[int]:
    return sorted({int((part + 0.5) / count * length) for part in range(count)})


def _spread(record: Record, settings: SourceSettings, *, count: int, duration: float | None) -> Iterator[SampledFrame]:
    with open_source(record.path, settings) as source:
        if source.info.still:
            for frame in source:
                yield SampledFrame(frame.pixels, 0, 0.0, still=True, picture=True)
            return
        duration = duration or source.info.duration or _measured(record.path, settings)
        waiting = moments(record, duration=duration, count=count)
        allowed = _allowed(record, math.inf)
        tolerance = 0.5 / (source.info.fps or _LAST_RESORT_FPS)
        for frame in source:
            at = frame.media_time + _ROUNDING
            if allowed and at >= allowed[-1][1]:
                return
            if frame.media_time + tolerance < waiting[0] or not any(start <= at < end for start, end in allowed):
                continue
            while waiting and frame.media_time + tolerance >= waiting[0]:
                waiting.pop(0)
            yield SampledFrame(frame.pixels, frame.index, frame.media_time, still=False)
            if not waiting:
                return


def _measured(path: Path, settings: SourceSettings) -> float:
    """End of the last frame in seconds, measured by decoding the whole file."""
    last = 0.0
    with open_source(path, settings) as source:
        for frame in source:
            last = frame.media_time
        return last + 1 / (source.info.fps or _LAST_RESORT_FPS)


def _allowed(record: Record, duration: float) -> Sequence[_Span]:
    """Disjoint spans of media time with the record's label, in order."""
    allowed: Sequence[_Span] = [(0.0, duration)]
    if record.spans is not None:
        allowed = _joined(((span.start, span.end) for span in record.spans), duration)
        if not record.label:
            edges = [0.0, *(edge for span in allowed for edge in span), duration]
            allowed = [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]
    if not record.flagged:
        return allowed
    seen = _joined(((one.start, one.end) for one in record.flagged), duration)
    both = ((max(start, first), min(end, last)) for start, end in allowed for first, last in seen)
    return [(start, end) for start, end in both if start < end]


def _joined(spans: Iterable[_Span], duration: float) -> list[_Span]:
    """The spans, cut to ``duration``, in order, with touching ones merged."""
    found: list[_Span] = []
    for span in sorted(spans):
        start, end = min(span[0], duration), min(span[1], duration)
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        elif start < end:
            found.append((start, end))
    return found
