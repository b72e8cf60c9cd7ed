"""Opens an address as a source of frames.

``open_source(url)`` takes a file, image, folder, camera, stream, the screen, or ``demo:``. What is typed becomes an
``Address``; what is read becomes a ``Source``, an iterator of frames::

    address    what was typed, how it is shown without its secrets, and the kinds of sources that it may mean
    reader     container -> decoded pictures, drops counted
    container  the reader as a Source, for all that FFmpeg opens:
               file, network (RTSP, HTTP, HLS), devices (webcam, screen)
    image      image files;  folder  folders
    demo       the built-in stream;  demo_portrait  its face
    push       pictures that are pushed: a browser's own camera
    reachable  is anybody there?
"""

from pathlib import Path

from monitor.media.packets import PacketListener
from monitor.media.sources.address import Address, SourceKind, register
from monitor.media.sources.demo import DEMO, DEMO_FACE_BOX, DemoSource, demo_faces, demo_spans
from monitor.media.sources.devices import SCREEN, WEBCAM, cameras
from monitor.media.sources.folder import PATH, media_files
from monitor.media.sources.network import HTTP, RTSP
from monitor.media.sources.reachable import check_reachable
from monitor.media.sources.source import Source
from monitor.media.worker import isolated_source
from monitor.settings import SourceSettings

__all__ = [
    "DEMO_FACE_BOX",
    "DemoSource",
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
    """Open what a person typed.

    Args:
        url: a path, ``file://``, ``rtsp://``, ``http(s)://``, ``webcam:0``, ``screen:``, ``screen:640x480+10+20``
            or ``demo:``.
        settings: time-outs, limits, transport.

    Raises:
        UsageError: the address makes no sense.
        SourceError: it cannot be opened, or holds no picture.
    """
    address = Address.of(url)
    return address.kind.open(address, settings)


def open_isolated(url: str | Path, settings: SourceSettings = _DEFAULTS) -> Source:
    """The same, decoded in a process of its own where settings and system allow it.

    That process may crash, hang or run out of memory: the source fails, and nothing else does. The demo needs none.

    Args:
        url: as for :func:`open_source`.
        settings: the same.

    Raises:
        UsageError: the address makes no sense.
        SourceError: it cannot be opened, holds no picture, or its process died.
    """
    address = Address.of(url)
    if not address.kind.is_isolated or not settings.isolate or not isolated_source.available():
        return open_source(url, settings)
    check_reachable(address, timeout=settings.open_timeout)
    return isolated_source.open_isolated(url, address=address, settings=settings)


def expand(url: str | Path) -> list[str]:
    """A folder becomes its videos and images in natural order of their names, anything else itself.

    Raises:
        SourceError: the folder holds none, or cannot be read.
    """
    path = Address.of(url).path
    if path is not None and path.is_dir():
        return [str(file) for file in media_files(path)]
    return [str(url)]
