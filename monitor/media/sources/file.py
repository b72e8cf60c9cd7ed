"""A local file, read through FFmpeg: every frame, in order."""

import stat
from pathlib import Path
from typing import Final

from monitor.errors import SourceError, SourceUnreadableError
from monitor.media.failures import failure
from monitor.media.sources.address import Address
from monitor.media.sources.container import ContainerSource, open_container, open_container_source
from monitor.media.sources.wrong_content import explain
from monitor.settings import SourceSettings

# The files that a local playlist may name: FFmpeg's own list, and keys.
_PLAYLIST_FILES: Final = (
    "3gp,aac,avi,ac3,eac3,flac,mkv,m3u8,m4a,m4s,m4v,mpg,mov,mp2,mp3,mp4,mpeg,mpegts,ogg,ogv,oga,ts,vob,vtt,wav,webvtt,"
    "cmfv,cmfa,ec3,fmp4,html,key"
)


def open_file(address: Address, settings: SourceSettings) -> ContainerSource:
    """Open a file of any container and codec that FFmpeg reads."""
    check_readable(address)
    # "file:" prevents a colon in the name from selecting a protocol; "none" prevents % and * from selecting a sequence.
    options = {"pattern_type": "none", "allowed_extensions": _PLAYLIST_FILES}
    try:
        container = open_container(f"file:{address.target}", address=address, settings=settings, options=options)
        return open_container_source(container, address=address, settings=settings, live=False)
    except SourceError as error:
        raise explain(error, address, timeout=settings.open_timeout) from None


def check_readable(address: Address) -> None:
    """Check a file with the system first, because FFmpeg's errors are less precise.

    Raises:
        SourceError: the file is missing, forbidden, empty, or not a regular file.
    """
    path = Path(address.target)
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            path.open("rb").close()
    except OSError as error:
        raise failure(error, address) from None
    if stat.S_ISCHR(status.st_mode) and path.name.startswith("video"):
        number = path.name.removeprefix("video")
        raise SourceUnreadableError(f"{address.name}: is a camera; write webcam:{number}")
    if not stat.S_ISREG(status.st_mode):
        raise SourceUnreadableError(f"{address.name}: is not a regular file; choose a video or an image")
    if not status.st_size:
        raise SourceUnreadableError(f"{address.name}: is empty (0 bytes); copy it again")
