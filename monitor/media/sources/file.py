"""A file on this machine, through FFmpeg: every frame, in order."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.errors import SourceUnreadableError
from monitor.media.failures import failure
from monitor.media.sources.container import open_container, open_container_source

if TYPE_CHECKING:
    from monitor.media.sources.address import Address
    from monitor.media.sources.container import ContainerSource
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
        msg = f"{address.name}: is not a regular file; choose a video or an image"
        raise SourceUnreadableError(msg)
    if not status.st_size:
        msg = f"{address.name}: is empty (0 bytes); copy it again"
        raise SourceUnreadableError(msg)
