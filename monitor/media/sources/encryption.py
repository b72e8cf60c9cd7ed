"""Says whether a playlist that cannot be read is encrypted."""

import re
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urljoin
from urllib.request import urlopen

from monitor.errors import SourceError, SourceUnreadableError
from monitor.media.sources.address import Address
from monitor.settings import SourceSettings

_HEAD = "#EXTM3U"
_MAX_BYTES = 1 << 20  # of a playlist
_KEY = re.compile(r'^#EXT-X-(?:SESSION-)?KEY:(?:.*,)?METHOD=(?!NONE)([^,\s"]+)', re.MULTILINE)
_VARIANT = re.compile(r"^#EXT-X-STREAM-INF:.*\s+^([^#\s].*?)\s*$", re.MULTILINE)


def explain_encryption(error: SourceError, address: Address, settings: SourceSettings) -> SourceError:
    """The error for an encrypted playlist; for any other source ``error`` itself.

    A playlist is read once more to find out, so call it only after the source failed.
    """
    method = _method(address.target, _read_file if address.kind.is_path else _reader(settings.open_timeout))
    if not method:
        return error
    return SourceUnreadableError(
        f"{address.name}: its pictures are encrypted ({method}), and the key is not available here; "
        "choose a source without copy protection"
    )


def _method(place: str, read: Callable[[str], str]) -> str:
    """The encryption method of a playlist, or of the first variant that it names; "": none."""
    text = read(place)
    if not text.startswith(_HEAD):
        return ""
    if key := _KEY.search(text):
        return key[1]
    variant = _VARIANT.search(text)
    key = _KEY.search(read(urljoin(place, variant[1]))) if variant else None
    return key[1] if key else ""


def _read_file(place: str) -> str:
    try:
        with Path(place).open("rb") as file:
            return file.read(_MAX_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def _reader(timeout: float) -> Callable[[str], str]:
    def read(place: str) -> str:
        if not place.startswith(("http://", "https://")):
            return ""
        try:
            with urlopen(place, timeout=timeout) as answer:  # noqa: S310 - only the two schemes above
                head: bytes = answer.read(len(_HEAD))
                content: bytes = head + answer.read(_MAX_BYTES) if head == _HEAD.encode() else b""
        except (OSError, ValueError, HTTPException):
            return ""
        return content.decode("utf-8", "replace")

    return read
