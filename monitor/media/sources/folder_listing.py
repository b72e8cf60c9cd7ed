"""Lists the files of a folder and its subfolders that may hold pictures, and every file left out, with the reason."""

import errno
import mimetypes
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from monitor.errors import SourceNotFoundError, SourceUnavailableError
from monitor.media.failures import failure
from monitor.media.sources.address import Address
from monitor.media.sources.image import SUFFIXES as IMAGE_SUFFIXES
from monitor.system.files import is_system_file
from monitor.system.masking import printable

# fmt: off
VIDEO_SUFFIXES: Final = frozenset([
    ".264", ".265", ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".h264", ".h265", ".hevc", ".ivf",
    ".m1v", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv",
    ".qt", ".ts", ".vob", ".webm", ".wmv", ".y4m",
])
_OTHER_SUFFIXES: Final = frozenset([  # in addition to Python's own table of types
    ".7z", ".docx", ".flac", ".gz", ".m4a", ".odt", ".opus", ".pptx", ".rar", ".svg", ".wma", ".xlsx", ".xz",
])
# fmt: on
_TYPES: Final = mimetypes.MimeTypes()  # Python's table, the same on every machine
_HEAD: Final = 4096  # bytes at the begin of a file that show whether it is a text
_RESULT_FILES: Final = ("report.json", "timeline.csv")  # both: results of an earlier analysis
_NAMED: Final = 3  # files that the sentence about a folder without media names
_BROKEN_LINK: Final = "is a link to a file that does not exist; copy the file itself"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or subfolder that is not opened."""

    path: Path
    why: str  # a clause
    may_be_media: bool  # whether a picture may have been missed

    def __str__(self) -> str:
        return f"{printable(self.path)}: {self.why}"


@dataclass(frozen=True, slots=True)
class FolderListing:
    """The content of a folder and its subfolders in natural order (2 before 10)."""

    files: tuple[Path, ...]  # videos, images, and files whose content is unknown
    left_out: tuple[LeftOut, ...]


def list_folder(folder: Path) -> FolderListing:
    """Search a folder and its subfolders.

    Left out are hidden files, files that are no media by their name or content, results of this program, and everything
    that cannot be opened. Links are followed; no folder is searched twice.

    Raises:
        SourceError: the folder itself cannot be read.
    """
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise failure(error, Address.of(folder)) from None
    files: list[Path] = []
    left_out: list[LeftOut] = []
    for found in _search(folder, searched=set()):
        if isinstance(found, LeftOut):
            left_out.append(found)
        else:
            files.append(found)
    return FolderListing(
        tuple(sorted(files, key=_natural_key)), tuple(sorted(left_out, key=lambda item: _natural_key(item.path)))
    )


def media_files(folder: Path) -> FolderListing:
    """As :func:`list_folder`, for a folder that must hold at least one file to open.

    Raises:
        SourceError: the folder cannot be read, or holds no media.
    """
    listing = list_folder(folder)
    if listing.files:
        return listing
    missed = [str(item) for item in listing.left_out if item.may_be_media]
    if missed:
        raise SourceUnavailableError(f"{printable(folder)}: no video or image can be opened. {'; '.join(missed)}")
    seen = "; ".join(str(item) for item in listing.left_out[:_NAMED])
    raise SourceNotFoundError(
        f"{printable(folder)}: holds no video or image, nor do its subfolders; choose another folder"
        + (
            f" ({len(listing.left_out)} left out: {seen}{', ...' if len(listing.left_out) > _NAMED else ''})"
            if seen
            else ""
        )
    )


def _search(folder: Path, *, searched: set[tuple[int, int]]) -> Iterator[Path | LeftOut]:
    """The files below ``folder``; ``searched`` holds device and inode of each searched folder."""
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: (entry.is_symlink(), entry.name))
    except OSError as error:
        yield LeftOut(folder, _describe(error), may_be_media=True)
        return
    searched.add((status.st_dev, status.st_ino))
    for entry in entries:  # links last: a folder is named by its own path, not by a link
        path = Path(entry.path)
        if is_system_file(path.name):
            yield LeftOut(path, "belongs to the operating system, not to the recordings", may_be_media=False)
        elif path.name.startswith("."):
            yield LeftOut(path, "is hidden; name it alone to analyse it", may_be_media=False)
        else:
            yield from _inspect(path, searched=searched)


def _inspect(path: Path, *, searched: set[tuple[int, int]]) -> Iterator[Path | LeftOut]:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            yield from _enter(path, status, searched=searched)
        elif not stat.S_ISREG(status.st_mode):
            yield LeftOut(path, "is not a regular file", may_be_media=False)
        elif (why := _foreign(path)) is not None:
            yield LeftOut(path, why, may_be_media=False)
        else:
            yield path
    except OSError as error:
        yield LeftOut(path, _describe(error), may_be_media=True)


def _enter(path: Path, status: os.stat_result, *, searched: set[tuple[int, int]]) -> Iterator[Path | LeftOut]:
    if (status.st_dev, status.st_ino) in searched:
        yield LeftOut(path, "is a link to a folder that is searched already", may_be_media=False)
    elif all((path / name).is_file() for name in _RESULT_FILES):
        yield LeftOut(path, "holds the results of an earlier analysis; name it alone to analyse it", may_be_media=False)
    else:
        yield from _search(path, searched=searched)


def _foreign(path: Path) -> str | None:
    """Why a file is no media; None: it may be."""
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES | VIDEO_SUFFIXES:
        return None
    content_type, encoding = _TYPES.guess_type(path.name)
    is_other = content_type is not None and not content_type.startswith(("image/", "video/", "application/octet"))
    if suffix in _OTHER_SUFFIXES or encoding or is_other:
        return f"is no video or image by its name (*{suffix})"
    if content_type is None and _is_text(path):
        return "is a text"
    return None


def _is_text(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    try:
        head[: head.rfind(b"\n") + 1 or None].decode()  # whole lines: the last character may be cut
    except UnicodeDecodeError:
        return False
    return bool(head) and b"\0" not in head


def _describe(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return _BROKEN_LINK
    if error.errno == errno.ELOOP:
        return "is a link that leads back to itself; copy the file itself"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "no permission to read it; ask its owner"
    return f"cannot be read ({error.strerror or 'unknown error'}); can it be copied elsewhere?"


def _natural_key(path: Path) -> list[list[tuple[int, str]]]:
    """A sort key that compares numbers by value, and letters without case, folder by folder."""
    return [
        [(int(part), "") if part.isdecimal() else (-1, part.casefold()) for part in re.findall(r"\d+|\D+", name)]
        for name in path.parts
    ]
