"""ForgeryNet's videos (He et al., 2021), which may be manipulated in part.

A line of a video list, without a header row::

    <segments> <name> [<first frame> <frames> <fake|real>] * segments <binary> <triple> <16-class>

Frames are counted in the video itself, so reading a partly fake video opens it to learn its frame rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from monitor.errors import DatasetError, SourceError
from monitor.lab.datasets.catalogue import Catalogue, lines_of
from monitor.lab.datasets.record import FakeSpan, Record

_SPLITS = {"train": "train", "val": "val", "test": "test"}
_EXPECTED = "lists with 'video' in their names, of lines such as '1 fake/a.mp4 0 90 fake 1 2 8', beside the videos"
_Segment = tuple[int, int, bool]  # first frame, frames, whether fake


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    segments: tuple[_Segment, ...]
    label: int
    kind: int  # of 16: 0 real, 1 to 15 the published methods


def read_forgery_net(root: Path) -> list[Record]:
    """Everything that the video lists below ``root`` name; the folder or name of a list tells its split.

    Raises:
        DatasetError: there is no list, a line is malformed or contradicts itself, or no listed video is there.
    """
    catalogue = Catalogue("forgerynet", root)
    lists = sorted(path for path in root.rglob("*.txt") if "video" in path.stem.lower())
    folders = sorted(path for path in (root, *root.glob("*"), *root.glob("*/video*")) if path.is_dir())
    for path in lists:
        split = _split_of(path.relative_to(root))
        for number, line in lines_of(path, holds="videos and their segments"):
            where = f"{path}, line {number}"
            entry = _parsed(line, where)
            video = next((one / entry.name for one in (path.parent, *folders) if (one / entry.name).is_file()), None)
            spans = None
            if video is None or (_is_partial(entry) and (spans := _spans(entry, video)) is None):
                catalogue.miss(entry.name)
                continue
            method = f"class-{entry.kind}" if entry.label else ""
            catalogue.add(video, entry.label, split=split, method=method, spans=spans)
    return catalogue.finish(_EXPECTED)


def _parsed(line: str, where: str) -> _Entry:
    words = line.split()
    try:
        count = int(words[0])
        if len(words) != 2 + 3 * count + 3:
            raise ValueError  # noqa: TRY301 - told below, with the other ways to be malformed
        parts = [words[2 + 3 * index : 5 + 3 * index] for index in range(count)]
        segments = tuple(
            (int(start), int(frames), {"fake": True, "real": False}[kind]) for start, frames, kind in parts
        )
        binary, _, kind = map(int, words[-3:])
    except (ValueError, KeyError, IndexError):
        msg = f"{where}: expected '<segments> <name> [<start> <frames> <fake|real>]... <2> <3> <16>', got {line[:80]!r}"
        raise DatasetError(msg) from None
    name = PurePosixPath(words[1])
    if binary not in (0, 1) or binary != any(fake for *_, fake in segments) or name.is_absolute() or ".." in name.parts:
        msg = f"{where}: class {binary} contradicts the segments, or the name leads elsewhere; fetch the list again"
        raise DatasetError(msg)
    return _Entry(name.as_posix(), segments, label=binary, kind=kind)


def _is_partial(entry: _Entry) -> bool:
    return entry.label == 1 and not all(fake for *_, fake in entry.segments)


def _spans(entry: _Entry, video: Path) -> tuple[FakeSpan, ...] | None:
    """The fake segments in seconds; None if the video cannot be opened or has no frame rate."""
    from monitor.source import open_source  # needs FFmpeg, which machines that only train lack

    try:
        with open_source(video) as source:
            fps = source.info.fps
    except SourceError:
        return None
    if fps is None:
        return None
    return tuple(FakeSpan(start / fps, (start + frames) / fps) for start, frames, fake in entry.segments if fake)


def _split_of(path: Path) -> str:
    for part in reversed(path.parts):
        for word, split in _SPLITS.items():
            if part.lower().startswith(word):
                return split
    return ""
