"""Which sources somebody at a browser may ask the server to open.

Cameras stand in private networks, so these are allowed; the files of the server are not, but for the folders that the
settings name; nor are link-local addresses, where clouds keep their credentials, and names that stand for one. What is
not covered: docs/decisions/008.
"""

import socket
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from monitor.errors import UsageError
from monitor.media.sources.address import Address, known_forms
from monitor.runtime import run_parallel

LOOK_UP: Final = 5.0  # seconds (wall clock) for a name to be found
_METADATA: Final = (IPv4Address("100.100.100.200"), IPv6Address("fd00:ec2::254"))  # not link-local


def allowed(url: str, *, folders: Sequence[Path]) -> None:
    """Let an address pass; waits for a name to be looked up, so not for the event loop.

    Args:
        url: as it was typed.
        folders: whose files may be opened.

    Raises:
        UsageError: it makes no sense, or may not be opened from a browser.
    """
    if not url.strip():
        raise UsageError(f"type an address: {known_forms()}")
    address = Address.of(url.strip())
    if address.path is not None:
        path = address.path.resolve()
        if not any(path.is_relative_to(folder.resolve()) for folder in folders):
            raise UsageError(
                f"{address.name}: files of the server may not be opened from a browser; upload it under Analyse, "
                "or name its folder in the setting dashboard.media_folders"
            )
    if address.kind.is_remote:
        try:
            host = urlsplit(address.target).hostname or ""
        except ValueError:
            raise UsageError(f"{address.name}: is no address: check its brackets") from None
        if not host:
            raise UsageError(f"{address.name}: names no host; write an address like {address.kind.example}")
        if any(_link_local(found) for found in _addresses(host, shown=address.name)):
            raise UsageError(f"{address.name}: link-local addresses may not be opened from a browser")


def _addresses(host: str, *, shown: str) -> list[IPv4Address | IPv6Address]:
    """What a host stands for, in any of the ways in which FFmpeg would read it; none if there is no such host."""
    with suppress(ValueError):
        return [ip_address(host)]
    with suppress(OSError, UnicodeError):
        return [ip_address(socket.inet_aton(host))]  # 2852039166, 0xa9fea9fe, 169.254.43518
    found: list[IPv4Address | IPv6Address] = []

    def look_up() -> None:
        with suppress(OSError, UnicodeError):  # FFmpeg will say the same, better
            entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found.extend(ip_address(str(entry[4][0])) for entry in entries)

    if host and run_parallel([look_up], timeout=LOOK_UP):
        raise UsageError(f"{shown}: its name was not found within {LOOK_UP:g} s: use its address in numbers")
    return found


def _link_local(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is one, or stands for one: as IPv6, or as what clouds answer at instead."""
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None) or address
    return inner.is_link_local or inner in _METADATA
