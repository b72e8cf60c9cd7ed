"""Names the content of a file or of a server's answer that FFmpeg cannot read as video, for the error message.

FFmpeg says "invalid data" of a web page, of a playlist under digital rights management, and of a playlist whose key it
cannot get. The beginning of the content tells them apart.
"""

import base64
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from monitor.errors import SourceError, SourceUnreadableError
from monitor.media.sources.address import Address

_HEAD: Final = 64 * 1024  # bytes that are looked at
_TAIL: Final = 1024 * 1024  # bytes at the end of a file that are looked at: some have their header there
_ENCRYPTED_BOXES: Final = (b"encv", b"sinf", b"schm")  # in the header of an mp4 with encrypted pictures
_SYSTEMS: Final = {  # name of a system for digital rights management by a word in its playlists
    "streamingkeydelivery": "FairPlay",
    "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed": "Widevine",
    "9a04f079-9840-4286-ab92-e65be0885f95": "PlayReady",
    "com.microsoft.playready": "PlayReady",
}
_PAGE: Final = re.compile(rb"<!doctype\s+html|<html[\s>]|<head[\s>]|<body[\s>]", re.IGNORECASE)
_KEY: Final = re.compile(r"^#EXT-X-(?:SESSION-)?KEY:(.*)$", re.MULTILINE)
_VARIANT: Final = re.compile(r"^#EXT-X-STREAM-INF:.*\n(?:#.*\n)*([^#\s].*)$", re.MULTILINE)
WEB_PAGE: Final = (
    "is a web page and holds no video itself; give the address of the video or stream in the page, which often ends in "
    ".m3u8 or .mp4"
)


def explain(error: SourceError, address: Address, *, timeout: float) -> SourceError:
    """A better error for content that is no video, or the same error.

    Args:
        address: a file, or an address on a web server.
        timeout: seconds (wall clock) to wait for a web server.
    """
    if not isinstance(error, SourceUnreadableError):
        return error
    location = address.target
    clause = _describe(_read_head(location, timeout=timeout), location, timeout=timeout)
    return SourceUnreadableError(f"{address.name}: {clause}") if clause else error


def _describe(head: bytes, location: str, *, timeout: float) -> str:
    """The kind of content that begins with ``head``, and the remedy; "" if the kind is unknown."""
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n").replace("\r\n", "\n")
    if text.startswith("#EXTM3U"):
        clause = _describe_playlist(text)
        if not clause and (variant := _VARIANT.search(text)):
            nearby = _resolve(location, variant[1].strip())
            clause = _describe_playlist(_read_head(nearby, timeout=timeout).decode("utf-8", "replace"))
        return clause
    if "<MPD" in text[:4096] and "ContentProtection" in text:
        return _protected(text)
    if all(box in head for box in _ENCRYPTED_BOXES):
        return _protected("")
    return WEB_PAGE if _PAGE.search(head[:4096]) else ""


def _describe_playlist(text: str) -> str:
    for attributes in _KEY.findall(text.replace("\r\n", "\n")):
        method = re.search(r"METHOD=([\w-]+)", attributes)
        if not method or method[1] == "NONE":
            continue
        if method[1] != "AES-128" or ("KEYFORMAT=" in attributes and 'KEYFORMAT="identity"' not in attributes):
            return _protected(text)
        uri = re.search(r'URI="([^"]*)"', attributes)
        key = Path(urlsplit(uri[1]).path).name if uri else "its key"
        return (
            f"is encrypted, and its key ({key}) cannot be read; put the key where the playlist says, as a file that "
            "ends in .key"
        )
    return ""


def _protected(text: str) -> str:
    lower = text.lower()
    names = sorted({name for word, name in _SYSTEMS.items() if word in lower})
    system = f" ({', '.join(names)})" if names else ""
    return (
        f"is encrypted under digital rights management{system}, and only licensed players can decode it; "
        "ask its publisher for a copy without it"
    )


def _resolve(location: str, reference: str) -> str:
    """The location of a file that a playlist names."""
    if "://" in location:
        return urljoin(location, reference)
    return str(Path(location).parent / unquote(reference))


def _read_head(location: str, *, timeout: float) -> bytes:
    """The beginning and the end of a file, or the beginning of a web server's answer; empty if it cannot be read."""
    with suppress(OSError, ValueError):
        if "://" not in location:
            with Path(location).open("rb") as file:
                head = file.read(_HEAD)
                file.seek(max(file.tell(), file.seek(0, os.SEEK_END) - _TAIL))
                return head + file.read(_TAIL)
        if urlsplit(location).scheme.lower() in ("http", "https"):
            return _read_answer(location, timeout=timeout)
    return b""


def _read_answer(url: str, *, timeout: float) -> bytes:
    """The beginning of a web server's answer; user name and password go into the header, where urllib expects them."""
    from http.client import HTTPException  # here, because each decoding process imports this module
    from urllib.request import Request, urlopen

    parts = urlsplit(url)
    credentials, _, host = parts.netloc.rpartition("@")
    request = Request(urlunsplit(parts._replace(netloc=host)))  # noqa: S310 - a web address
    if credentials:
        token = base64.b64encode(unquote(credentials).encode()).decode("ascii")
        request.add_unredirected_header("Authorization", f"Basic {token}")
    with suppress(HTTPException), urlopen(request, timeout=timeout) as answer:  # noqa: S310 - a web address
        return bytes(answer.read(_HEAD))
    return b""
