"""Opens an address as a source of frames.

``open_source(url)`` takes a file, image, folder, camera, stream, the screen, or ``demo:``. The typed text becomes an
``Address``; opening it returns a ``Source``, an iterator of frames::

    address    parses the typed text, masks its secrets, registers the kinds of sources
    typed_url  repairs what people type or paste
    reader     container -> decoded pictures, drops counted
    container  a Source for everything that FFmpeg opens:
               file, network (RTSP, HTTP, HLS), devices (webcam, screen);
               video_streams chooses one of several videos
    image      image files;  heic  those of phones;  folder  folders;  folder_listing  their files, and those left out
    demo       the built-in stream;  demo_portrait  its face
    push       pictures pushed by a browser's camera
    reachable  checks that a host answers
    wrong_content  names what is no video: a web page, an encrypted playlist
"""

from pathlib import Path

from monitor.media.packets import PacketListener
from monitor.media.sources.address import Address, SourceKind, register
from monitor.media.sources.demo import DEMO, DEMO_FACE_BOX, DemoSource, demo_faces, demo_spans
from monitor.media.sources.devices import SCREEN, WEBCAM, cameras
from monitor.media.sources.folder import PATH
from monitor.media.sources.folder_listing import LeftOut, media_files
from monitor.media.sources.network import HTTP, RTSP
from monitor.media.sources.reachable import check_reachable
from monitor.media.sources.source import Source
from monitor.media.worker import isolated_source
from monitor.settings import SourceSettings

__all__ = [
    "DEMO_FACE_BOX",
    "DemoSource",
    "LeftOut",
    "PacketListener",
    "Source",
    "SourceKind",
    "cameras",
    "demo_faces",
    "demo_spans",
    "expand",
    "open_isolated",
    "open_source",
    "register",
]

for _kind in (RTSP, HTTP, WEBCAM, SCREEN, DEMO, PATH):
    register(_kind)

_DEFAULTS = SourceSettings()


def open_source(url: str | Path, settings: SourceSettings = _DEFAULTS) -> Source:
    """Open an address.

    Args:
        url: a path, ``file://``, ``rtsp://``, ``http(s)://``, ``webcam:0``, ``screen:``, ``screen:640x480+10+20``
            or ``demo:``.
        settings: time-outs, limits, transport.

    Raises:
        UsageError: the address is invalid.
        SourceError: the source cannot be opened, or holds no picture.
    """
    address = Address.of(url)
    return address.kind.open(address, settings)


def open_isolated(url: str | Path, settings: SourceSettings = _DEFAULTS) -> Source:
    """Open an address, decoded in a separate process if the settings and the system allow it.

    If that process crashes, hangs or runs out of memory, only the source fails. The demo needs no separate process.

    Raises:
        UsageError: the address is invalid.
        SourceError: the source cannot be opened, holds no picture, or its process died.
    """
    address = Address.of(url)
    if not address.kind.is_isolated or not settings.isolate or not isolated_source.available():
        return open_source(url, settings)
    check_reachable(address, timeout=settings.open_timeout)
    return isolated_source.open_isolated(url, address=address, settings=settings)


def expand(url: str | Path) -> tuple[list[str], tuple[LeftOut, ...]]:
    """List a folder's videos and images, with those of its subfolders, in natural order of their names.

    Returns:
        The files, and everything that was left out, with the reasons. Any other address is returned alone.

    Raises:
        SourceError: the folder holds no media, or cannot be read.
    """
    path = Address.of(url).path
    if path is not None and path.is_dir():
        listing = media_files(path)
        return [str(file) for file in listing.files], listing.left_out
    return [str(url)], ()
