"""Where frames come from: ``open_source(url)`` for a file, image, folder, camera, stream, the screen, or ``demo:``.

What is typed becomes an ``Address``; what is read becomes a ``Source``, an iterator of frames::

    address    what was typed, and how it is shown without its secrets
    failure    errors of FFmpeg and the system -> one sentence each
    reader     container -> decoded pictures, losses counted
    clock      timestamps -> media time
    thinning   which frames are made where not all are wanted
    picture    decoded picture -> upright RGB
    footage    the three above as a Source, for all that FFmpeg opens:
               file, live (RTSP, HTTP, HLS), device (webcam, screen)
    isolation/ any of these in a process of its own;  reachable  is anybody there?
    packets    compressed video as values
    still      image files;  album  folders;  demo  the built-in stream, its face in portrait; witnesses  crops of it
    inbox      pictures that are pushed: a browser's own camera
"""

from __future__ import annotations

from pathlib import Path

from monitor.settings import SourceSettings
from monitor.source.address import Address, mask
from monitor.source.album import media_files, open_path
from monitor.source.demo import DEMO_FACE_BOX, Demo, demo_faces, demo_spans
from monitor.source.device import cameras, open_screen, open_webcam
from monitor.source.isolation import isolated
from monitor.source.live import open_http, open_rtsp
from monitor.source.packets import PacketListener
from monitor.source.reachable import check_reachable
from monitor.source.source import Source

__all__ = [
    "DEMO_FACE_BOX",
    "PacketListener",
    "Source",
    "cameras",
    "demo_faces",
    "demo_spans",
    "expand",
    "mask",
    "open_isolated",
    "open_source",
]

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
    if address.kind == "demo":
        return Demo(settings.demo_seconds)
    return _OPENERS[address.kind](address, settings)


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
    if address.kind == "demo" or not settings.isolate or not isolated.available():
        return open_source(url, settings)
    check_reachable(address, timeout=settings.open_timeout)
    return isolated.open_isolated(url, address=address, settings=settings)


def expand(url: str | Path) -> list[str]:
    """A folder becomes its videos and images in natural order of their names, anything else itself.

    Raises:
        SourceError: the folder holds none, or cannot be read.
    """
    address = Address.of(url)
    if address.kind == "path" and Path(address.target).is_dir():
        return [str(file) for file in media_files(Path(address.target))]
    return [str(url)]


_OPENERS = {"path": open_path, "rtsp": open_rtsp, "http": open_http, "webcam": open_webcam, "screen": open_screen}
