"""Translates errors of FFmpeg and the system into sentences for the user.

Each kind of source defines its own sentences in its own file.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from av.error import tag_to_code

from monitor.errors import SourceError, SourceUnavailableError, SourceUnreadableError

if TYPE_CHECKING:
    from monitor.media.sources.address import Address

Cause = tuple[type[SourceError], str]

_NO_PICTURE = (SourceUnreadableError, "holds no video or image that can be read; is it complete, and really a video?")
TIMED_OUT: Final = tag_to_code(b"EXIT")  # PyAV's error code for a read that timed out
_CONTENT: dict[int, Cause] = {
    errno.ENOMEM: (
        SourceUnreadableError,
        "its pictures need more memory than there is, or than the setting source.memory_limit allows",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureCauses:
    """Error class and message per error code, for one kind of source; a message follows the address."""

    by_code: Mapping[int, Cause] = field(default_factory=dict)  # errno, or FFmpeg's own code
    otherwise: Cause = (SourceUnavailableError, "cannot be opened; is the address right?")
    broken_off: Cause | None = None  # replaces ``otherwise`` after the source was open
    fell_silent: Cause | None = None  # of a read that timed out after the source was open
    has_content: bool = True  # an error without a system code means that the file holds no picture


def failure(error: Exception, address: Address, *, opened: bool = False) -> SourceError:
    """One sentence without secrets about a failure of ``address``; it never contains the error's own text.

    Args:
        error: PyAV's FFmpegError, the system's OSError, or Python's MemoryError.
    """
    causes = address.kind.failures
    code = errno.ENOMEM if isinstance(error, MemoryError) else getattr(error, "errno", None)
    cause = causes.otherwise if code is None else causes.by_code.get(code) or _CONTENT.get(code)
    if opened and code in (TIMED_OUT, errno.ETIMEDOUT):
        cause = causes.fell_silent or cause
    if cause is None and (isinstance(error, OSError) or not causes.has_content):
        cause = (opened and causes.broken_off) or causes.otherwise
    result, clause = cause or _NO_PICTURE
    return result(f"{address.name}: {clause}")


def too_large(address: Address, size: tuple[int, int], *, max_pixels: int) -> SourceUnreadableError:
    """The error for pictures above the pixel limit; ``size`` is width, height."""
    return SourceUnreadableError(
        f"{address.name}: {size[0]} x {size[1]} pixels are more than the {max_pixels} that the setting "
        "source.max_pixels allows; scale it down, or allow more"
    )
