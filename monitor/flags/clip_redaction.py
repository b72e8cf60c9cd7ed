"""Blurs the clip of a flag: everything outside the flagged face, because the other faces' positions are not stored.

The positions of the flagged face are those of its samples in ``trace.json``. Between two samples they are interpolated;
at a moment without a near sample the whole picture is blurred.
"""

import json
import tempfile
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from monitor.flags.redaction import Box, blur_outside
from monitor.media import progress
from monitor.media.sources import open_source
from monitor.media.video_writer import VideoWriter
from monitor.media.worker.task import run_isolated
from monitor.settings import SourceSettings

_LONGEST_GAP: Final = 0.6  # seconds between two samples whose positions may be interpolated
_NEAREST: Final = 0.1  # seconds from a sample within which its position is used alone

Position = tuple[float, Box]  # media time, seconds; the face's box, pixels


def read_positions(trace: Path) -> list[Position]:
    """The flagged face's positions in a ``trace.json``, in order of time; empty if the file has none."""
    positions = []
    with suppress(OSError, ValueError, TypeError, KeyError):
        for sample in json.loads(trace.read_text(encoding="utf-8"))["samples"]:
            if sample.get("box"):
                x1, y1, x2, y2 = map(float, sample["box"])
                positions.append((float(sample["media_time"]), (x1, y1, x2, y2)))
    return sorted(positions)


def redact_clip(clip: Path, *, start: float, positions: Sequence[Position], width: int) -> bytes:
    """A copy of a clip that shows the flagged face alone, without sound; decoded in a separate process.

    Args:
        start: media time of its first picture, seconds.
        width: of the frames of the positions, pixels.

    Raises:
        SourceError: the clip cannot be read.
        OutputError: there is no space for the copy.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "clip.mp4"
        run_isolated(redact_file, clip, copy, start, list(positions), width, settings=SourceSettings())
        return copy.read_bytes()


def redact_file(clip: Path, copy: Path, start: float, positions: Sequence[Position], width: int) -> int:
    """As :func:`redact_clip`, in this process; returns the number of pictures."""
    count = 0
    with open_source(clip) as source, VideoWriter(copy, fps=source.info.fps) as written:
        for frame in source:
            progress.report()
            box = box_at(positions, start + frame.media_time)
            written.write(blur_outside(frame.pixels, box, scale=frame.pixels.shape[1] / width), frame.media_time)
            count += 1
    return count


def box_at(positions: Sequence[Position], media_time: float) -> Box | None:
    """The flagged face's box at a media time; None if it is unknown."""
    place = bisect_left(positions, media_time, key=lambda position: position[0])
    around = positions[max(place - 1, 0) : place + 1]
    if not around:
        return None
    (begin, before), (end, after) = around[0], around[-1]
    if begin < media_time < end <= begin + _LONGEST_GAP:
        part = (media_time - begin) / (end - begin)
        x1, y1, x2, y2 = (one + part * (other - one) for one, other in zip(before, after, strict=True))
        return x1, y1, x2, y2
    nearest, box = min(around, key=lambda position: abs(position[0] - media_time))
    return box if abs(nearest - media_time) <= _NEAREST else None
