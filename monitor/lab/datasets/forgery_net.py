"""ForgeryNet's videos (He et al., 2021), which may be partly manipulated.

A line of a video list, without a header row::

    <segments> <name> [<first frame> <frames> <fake|real>] * segments <binary> <triple> <16-class>

Segments are in frames, so a partly fake video is opened to get its frame rate.
"""

from dataclasses import dataclass
from pathlib import Path

from monitor.errors import DatasetError, SourceError
from monitor.lab.datasets.catalogue import Catalogue, inside, lines_of
from monitor.lab.datasets.record import FakeSpan, Record

_FRAMES = 10**9  # larger numbers are errors
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
    """The videos in the lists below ``root``; the folder or name of a list gives its split.

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
            method = f"class-{entry.kind}" if entry.label else ""
            places = (inside(one, entry.name, where) for one in (path.parent, *folders))
            video = next((one for one in places if _exists(one, where)), None)
            if video is None:
                catalogue.miss(root / entry.name, entry.label, split=split, method=method)
                continue
            spans = _spans(entry, video) if _is_partial(entry) else None
            if spans is None and _is_partial(entry):
                catalogue.miss(video, entry.label, why="impossible to open", split=split, method=method)
                continue
            catalogue.add(video, entry.label, split=split, method=method, spans=spans)
    return catalogue.finish(_EXPECTED)


def _parsed(line: str, where: str) -> _Entry:
    words = line.split()
    try:
        count = int(words[0])
        if len(words) != 2 + 3 * count + 3:
            raise ValueError  # noqa: TRY301 - reported below with the other errors
        parts = [words[2 + 3 * index : 5 + 3 * index] for index in range(count)]
        segments = tuple(
            (int(start), int(frames), {"fake": True, "real": False}[kind]) for start, frames, kind in parts
        )
        binary, _, kind = map(int, words[-3:])
    except (ValueError, KeyError, IndexError):
        raise DatasetError(
            f"{where}: expected '<segments> <name> [<start> <frames> <fake|real>]... <2> <3> <16>', got {line[:80]!r}"
        ) from None
    if binary not in (0, 1) or binary != any(fake for *_, fake in segments):
        raise DatasetError(f"{where}: class {binary} contradicts the segments; fetch the list again")
    entry = _Entry(words[1], segments, label=binary, kind=kind)
    fakes = [(start, frames) for start, frames, fake in segments if fake]
    if _is_partial(entry) and not all(0 <= start <= _FRAMES and 0 < frames <= _FRAMES for start, frames in fakes):
        raise DatasetError(
            f"{where}: a fake segment starts before the first frame, or is not 1 to {_FRAMES} frames long"
        )
    return entry


def _exists(path: Path, where: str) -> bool:
    try:
        return path.is_file()
    except OSError:
        raise DatasetError(f"{where}: no file can be called {path.name[:80]!r}; fetch the list again") from None


def _is_partial(entry: _Entry) -> bool:
    return entry.label == 1 and not all(fake for *_, fake in entry.segments)


def _spans(entry: _Entry, video: Path) -> tuple[FakeSpan, ...] | None:
    """The fake segments in seconds; None if the video cannot be opened or has no frame rate."""
    from monitor.media.sources import open_source  # needs FFmpeg, which training machines may lack

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
