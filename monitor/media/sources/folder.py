"""A folder of images or videos as one stream, in the order of their names."""

import errno
import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from monitor.errors import SourceError, SourceNotFoundError, SourceUnavailableError, SourceUnreadableError
from monitor.media.failures import FailureCauses, failure
from monitor.media.sources.address import Address, SourceKind
from monitor.media.sources.container import FALLBACK_FPS
from monitor.media.sources.file import open_file
from monitor.media.sources.image import SUFFIXES as IMAGE_SUFFIXES
from monitor.media.sources.image import open_image
from monitor.media.sources.source import Source
from monitor.settings import SourceSettings
from monitor.types import Frame, SourceInfo

# fmt: off
VIDEO_SUFFIXES = frozenset([
    ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".h264", ".h265", ".hevc", ".ivf", ".m1v", ".m2ts", ".m2v",
    ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm",
    ".wmv", ".y4m",
])
# fmt: on


def media_files(folder: Path) -> list[Path]:
    """Its videos and images by natural order of their names (2 before 10); not hidden ones, not subfolders.

    Raises:
        SourceError: it cannot be read, or there are none.
    """
    address = Address.of(folder)
    try:
        files = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES]
    except OSError as error:
        raise failure(error, address) from None
    files = sorted((path for path in files if path.is_file() and not path.name.startswith(".")), key=_natural)
    if not files:
        raise SourceNotFoundError(
            f"{address.name}: holds no video or image (subfolders are not searched); choose another folder"
        )
    return files


def _natural(path: Path) -> list[tuple[int, str]]:
    """A key that sorts numbers in a name by their value, and letters without their case."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part.casefold()) for part in parts]


def open_path(address: Address, settings: SourceSettings) -> Source:
    """A folder, an image or a video, by what lies there.

    Raises:
        SourceError: it cannot be opened.
    """
    path = Path(address.target)
    if path.is_dir():
        return FolderSource(media_files(path), address, settings=settings)
    return (open_image if path.suffix.lower() in IMAGE_SUFFIXES else open_file)(address, settings)


class FolderSource(Source):
    """Its files one after the other; index and media time go on. An image lasts 1/25 s, as in FFmpeg.

    A frame carries the name of its own file. A file that cannot be read is skipped and counted.
    """

    def __init__(self, files: list[Path], address: Address, *, settings: SourceSettings) -> None:
        """Open the first file that can be read.

        Raises:
            SourceError: there is none; what is wrong with the last one.
        """
        self._waiting = deque(files)
        self._settings = settings
        self._drops = Counter()  # of the files that are done, and of those that could not be read
        self._disordered = 0  # time stamps of the files that are done
        self._closed = False
        self._index = 0
        self._time = 0.0  # media time of the next frame
        self._member = self._next()
        first = self._member.info
        info = SourceInfo(
            name=address.name,
            kind="folder",
            live=False,
            width=first.width,
            height=first.height,
            fps=first.fps or FALLBACK_FPS,
            duration=None,
            frame_count=None,
            path=Path(address.target),
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
                yield from self._continued(self._member)
            except SourceError:
                self._drops["file that breaks off"] += 1
            if not self._turn_over():
                return
        self._member.close()  # if it was opened while close() closed the one before

    def close(self) -> None:
        self._closed = True
        self._member.close()

    def _continued(self, member: Source) -> Iterator[Frame]:
        start, step = self._time, 1 / (member.info.fps or FALLBACK_FPS)
        for frame in member:
            continued = replace(frame, index=self._index, media_time=start + frame.media_time)
            self._index, self._time = self._index + 1, continued.media_time + step
            yield continued

    def _turn_over(self) -> bool:
        """Go to the next file that can be read, if there is one."""
        done = self._member
        try:
            self._member = self._next()
        except SourceError:
            return False
        self._drops.update(done.drops)
        self._disordered += done.disordered
        done.close()
        return True

    def _next(self) -> Source:
        """Open the next file that can be read; raise what is wrong with the last one if none can."""
        error: SourceError = SourceNotFoundError("no file is left")
        while self._waiting:
            try:
                return open_path(Address.of(self._waiting.popleft()), self._settings)
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
