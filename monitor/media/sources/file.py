"""A file on this machine, through FFmpeg: every frame, in order."""

import stat
from pathlib import Path

from monitor.errors import SourceUnreadableError
from monitor.media.failures import failure
from monitor.media.sources.address import Address
from monitor.media.sources.container import ContainerSource, open_container, open_container_source
from monitor.settings import SourceSettings


def open_file(address: Address, settings: SourceSettings) -> ContainerSource:
    """Any container and codec that FFmpeg reads.

    Raises:
        SourceError: it is missing, empty, forbidden, or no video.
    """
    check_readable(address)
    # "file:" keeps a colon in the name from being a protocol; "none", a % or * from being a numbered sequence.
    container = open_container(
        f"file:{address.target}", address=address, settings=settings, options={"pattern_type": "none"}
    )
    return open_container_source(container, address=address, settings=settings, live=False)


def check_readable(address: Address) -> None:
    """Ask the system before FFmpeg is asked, whose answers are worse.

    Raises:
        SourceError: there is nothing, no permission, no regular file, or not a byte in it.
    """
    path = Path(address.target)
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            path.open("rb").close()
    except OSError as error:
        raise failure(error, address) from None
    if not stat.S_ISREG(status.st_mode):
        raise SourceUnreadableError(f"{address.name}: is not a regular file; choose a video or an image")
    if not status.st_size:
        raise SourceUnreadableError(f"{address.name}: is empty (0 bytes); copy it again")
