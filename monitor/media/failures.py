"""The one door where FFmpeg's and the system's errors become sentences that a person can act on."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from av.error import tag_to_code

from monitor.errors import (
    SourceError,
    SourceNotFoundError,
    SourceRefusedError,
    SourceUnavailableError,
    SourceUnreadableError,
)

if TYPE_CHECKING:
    from monitor.media.sources.address import Address

Cause = tuple[type[SourceError], str]

_SILENT = (SourceUnavailableError, "no answer in time; is the address right and the camera on this network?")
_HUNG_UP = (SourceUnavailableError, "the other side closed the connection; is it still switched on?")
_NO_PICTURE = (SourceUnreadableError, "holds no video or image that can be read; is it complete, and really a video?")
_FORBIDDEN = (SourceUnavailableError, "this program may not use it; allow it in the system's settings")

_EXIT = tag_to_code(b"EXIT")  # what a read that PyAV's time-out ended returns
_SERVER: dict[int | None, Cause] = {
    tag_to_code(b"\xf8401"): (SourceRefusedError, "wrong or missing user name or password"),
    tag_to_code(b"\xf8403"): (SourceRefusedError, "the server forbids it; may this user watch it?"),
    tag_to_code(b"\xf8404"): (SourceNotFoundError, "the server has nothing there; is the path right?"),
    tag_to_code(b"\xf8400"): (SourceUnavailableError, "the server rejects the request; is the address right?"),
    tag_to_code(b"\xf8429"): (SourceUnavailableError, "too many requests; try again later"),
    tag_to_code(b"\xf84XX"): (SourceUnavailableError, "the server rejects the request; is the address right?"),
    tag_to_code(b"\xf85XX"): (SourceUnavailableError, "the server itself has failed; try again later"),
    tag_to_code(b"\xf8PRO"): (SourceUnavailableError, "this FFmpeg does not speak that protocol"),
    _EXIT: _SILENT,
    errno.ETIMEDOUT: _SILENT,
    errno.ECONNREFUSED: (SourceUnavailableError, "nothing listens there; are host and port right?"),
    errno.ECONNRESET: _HUNG_UP,
    errno.ECONNABORTED: _HUNG_UP,
    errno.EPIPE: _HUNG_UP,
    errno.EHOSTUNREACH: (SourceUnavailableError, "there is no way to that host; is it on this network?"),
    errno.ENETUNREACH: (SourceUnavailableError, "there is no network; is this machine connected?"),
    None: (SourceUnavailableError, "cannot be reached; is the host name right?"),
}
_WEBCAM: dict[int | None, Cause] = {
    errno.ENOENT: (SourceNotFoundError, "there is no such camera; `deepfake-monitor doctor` lists those there are"),
    errno.EBUSY: (SourceUnavailableError, "the camera is busy; close the program that uses it"),
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    _EXIT: (SourceUnavailableError, "the camera sends no picture; unplug it and plug it in again"),
    errno.ETIMEDOUT: (SourceUnavailableError, "the camera sends no picture; unplug it and plug it in again"),
    None: (SourceUnavailableError, "the camera does not work; is it plugged in, and free?"),
}
_SCREEN: dict[int | None, Cause] = {
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    None: (SourceUnavailableError, "the screen cannot be captured; is there one, and does the region lie on it?"),
}
_PATH: dict[int | None, Cause] = {
    errno.ENOENT: (SourceNotFoundError, "does not exist; is the path right?"),
    errno.ENOTDIR: (SourceNotFoundError, "does not exist; is the path right?"),
    errno.EACCES: (SourceUnavailableError, "no permission to read it; ask its owner"),
    errno.EPERM: (SourceUnavailableError, "no permission to read it; ask its owner"),
    errno.EIO: (SourceUnreadableError, "breaks off, or the disk does not give it; is it complete?"),
    None: (SourceUnavailableError, "the disk does not give it; can it be copied elsewhere?"),
}
_CAUSES = {"rtsp": _SERVER, "http": _SERVER, "webcam": _WEBCAM, "screen": _SCREEN, "path": _PATH}
_BROKEN_OFF: dict[str, Cause] = {
    "rtsp": _HUNG_UP,
    "http": _HUNG_UP,
    "webcam": (SourceUnavailableError, "the camera is gone; was it unplugged?"),
}
_CONTENT: dict[int | None, Cause] = {
    errno.ENOMEM: (
        SourceUnreadableError,
        "its pictures need more memory than there is, or than the setting source.memory_limit allows",
    ),
}


def failure(error: Exception, address: Address, *, opened: bool = False) -> SourceError:
    """What went wrong with ``address``, as one sentence without secrets: never the error's own text.

    Args:
        error: PyAV's FFmpegError, the system's OSError, or Python's MemoryError.
        address: what was being opened or read.
        opened: whether it had been opened before.
    """
    causes = _CAUSES[address.kind]
    code = errno.ENOMEM if isinstance(error, MemoryError) else getattr(error, "errno", None)
    cause = causes.get(code) or _CONTENT.get(code)
    if cause is None and (isinstance(error, OSError) or address.kind in ("webcam", "screen")):
        cause = (opened and _BROKEN_OFF.get(address.kind)) or causes[None]
    result, clause = cause or _NO_PICTURE
    return result(f"{address.name}: {clause}")


def too_large(address: Address, size: tuple[int, int], *, max_pixels: int) -> SourceUnreadableError:
    """The refusal of pictures beyond the limit; ``size`` is width, height."""
    return SourceUnreadableError(
        f"{address.name}: {size[0]} x {size[1]} pixels are more than the {max_pixels} that the setting "
        "source.max_pixels allows; scale it down, or allow more"
    )
