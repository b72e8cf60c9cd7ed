"""A folder of images or videos, with its subfolders, as one stream in natural order of the file names."""

import errno
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from monitor.errors import SourceError, SourceNotFoundError, SourceUnavailableError, SourceUnreadableError
from monitor.media.failures import FailureCauses
from monitor.media.sources.address import Address, SourceKind
from monitor.media.sources.container import FALLBACK_FPS
from monitor.media.sources.file import open_file
from monitor.media.sources.folder_listing import VIDEO_SUFFIXES, FolderListing, media_files
from monitor.media.sources.heic import HEAD_BYTES, PICTURE_BRANDS, brands_of
from monitor.media.sources.image import SUFFIXES as IMAGE_SUFFIXES
from monitor.media.sources.image import is_image, open_image
from monitor.media.sources.source import Source
from monitor.settings import SourceSettings
from monitor.types import Frame, SourceInfo


def open_path(address: Address, settings: SourceSettings) -> Source:
    """Open a folder, an image or a video."""
    path = Path(address.target)
    if path.is_dir():
        return FolderSource(media_files(path), address, settings=settings)
    return (open_image if _is_picture(path) else open_file)(address, settings)


def _is_picture(path: Path) -> bool:
    """Whether a file is a picture, by its name or by its content."""
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES or (suffix not in VIDEO_SUFFIXES and is_image(path)):
        return True
    try:
        with path.open("rb") as file:  # FFmpeg would read a part of such a picture
            return not PICTURE_BRANDS.isdisjoint(brands_of(file.read(HEAD_BYTES))[:1])
    except OSError:  # reported when the file is opened
        return False


class FolderSource(Source):
    """Plays the files one after the other; index and media time continue. An image lasts 1/25 s, as in FFmpeg.

    Each frame has the name of its own file. Unreadable files, and files left out that may be media, are counted.
    """

    def __init__(self, listing: FolderListing, address: Address, *, settings: SourceSettings) -> None:
        """Open the first readable file.

        Raises:
            SourceError: no file can be read; the error of the last file.
        """
        self._remaining = deque(listing.files)
        self._settings = settings
        self._drops = Counter()  # of finished files and of unreadable files
        if missed := sum(item.may_be_media for item in listing.left_out):
            self._drops["unreadable file"] = missed
        self._disordered = 0  # disordered timestamps of finished files
        self._closed = False
        self._index = 0
        self._time = 0.0  # media time of the next frame, seconds
        self._member = self._open_next()
        first = self._member.info
        info = SourceInfo(
            name=address.name,
            kind="folder",
            live=False,
            width=first.width,
            height=first.height,
            fps=first.fps or FALLBACK_FPS,
            path=Path(address.target),
            notes=first.notes,
        )
        super().__init__(info, self._drops)

    @property
    def drops(self) -> Mapping[str, int]:
        return dict(Counter(super().drops) + Counter(self._member.drops))

    @property
    def disordered(self) -> int:
        return self._disordered + self._member.disordered

    def __iter__(self) -> Iterator[Frame]:
        while not self._closed:
            try:
                yield from self._renumber(self._member)
            except SourceError:
                self._drops["file that breaks off"] += 1
            if not self._advance():
                return
        self._member.close()  # close() may have run while this file was being opened

    def close(self) -> None:
        self._closed = True
        self._member.close()

    def _renumber(self, member: Source) -> Iterator[Frame]:
        start, step = self._time, 1 / (member.info.fps or FALLBACK_FPS)
        for frame in member:
            continued = replace(frame, index=self._index, media_time=start + frame.media_time)
            self._index, self._time = self._index + 1, continued.media_time + step
            yield continued

    def _advance(self) -> bool:
        """Go to the next readable file; False if there is none."""
        done = self._member
        try:
            self._member = self._open_next()
        except SourceError:
            return False
        self._drops.update(done.drops)
        self._disordered += done.disordered
        done.close()
        return True

    def _open_next(self) -> Source:
        """Open the next readable file; raise the error of the last file if none is readable."""
        error: SourceError = SourceNotFoundError("no file is left")
        while self._remaining:
            try:
                return open_path(Address.of(self._remaining.popleft()), self._settings)
            except SourceError as caught:
                self._drops["unreadable file"] += 1
                error = caught
        raise error


_MISSING = (SourceNotFoundError, "does not exist; is the path right?")
_FORBIDDEN = (SourceUnavailableError, "no permission to read it; ask its owner")
PATH: Final = SourceKind(
    name="path",
    form="a path",
    example="clip.mp4",
    open=open_path,
    schemes={"file": None},
    is_path=True,
    is_remote=False,
    failures=FailureCauses(
        by_code={
            errno.ENOENT: _MISSING,
            errno.ENOTDIR: _MISSING,
            errno.EACCES: _FORBIDDEN,
            errno.EPERM: _FORBIDDEN,
            errno.EIO: (SourceUnreadableError, "breaks off, or the disk does not give it; is it complete?"),
        },
        otherwise=(SourceUnavailableError, "the disk does not give it; can it be copied elsewhere?"),
    ),
)
