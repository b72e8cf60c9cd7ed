"""A local file, read through FFmpeg: every frame, in order."""

import stat
from pathlib import Path

from monitor.errors import SourceUnreadableError
from monitor.media.failures import failure
from monitor.media.sources.address import Address
from monitor.media.sources.container import ContainerSource, open_container, open_container_source
from monitor.media.sources.encryption import explain_encryption
from monitor.settings import SourceSettings


def open_file(address: Address, settings: SourceSettings) -> ContainerSource:
    """Open a file of any container and codec that FFmpeg reads.

    Raises:
        SourceError: the file is missing, empty, forbidden, or not a video.
    """
    check_readable(address)
    # "file:" prevents a colon in the name from selecting a protocol; "none" prevents % and * from selecting a sequence.
    try:
        container = open_container(
            f"file:{address.target}", address=address, settings=settings, options={"pattern_type": "none"}
        )
        return open_container_source(container, address=address, settings=settings, live=False)
    except SourceUnreadableError as error:
        raise explain_encryption(error, address, settings) from None


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
    if not stat.S_ISREG(status.st_mode):
        raise SourceUnreadableError(f"{address.name}: is not a regular file; choose a video or an image")
    if not status.st_size:
        raise SourceUnreadableError(f"{address.name}: is empty (0 bytes); copy it again")
