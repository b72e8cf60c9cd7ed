"""The rules for source addresses that a user types into a browser.

Private networks are allowed, because cameras are there. Files of the server are denied, except in the folders of the
setting ``dashboard.media_folders``. Link-local addresses, and names that resolve to them, are denied, because clouds
serve credentials there. docs/decisions/008 lists the limits of these rules.
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

LOOK_UP: Final = 5.0  # seconds (wall clock): time-out of a name look-up
_METADATA: Final = (IPv4Address("100.100.100.200"), IPv6Address("fd00:ec2::254"))  # not link-local


def check_address(url: str, *, folders: Sequence[Path]) -> None:
    """Checks an address; waits for a name look-up, so do not call it on the event loop.

    Args:
        folders: the files in these folders may be opened.

    Raises:
        UsageError: the address is invalid, or may not be opened from a browser.
    """
    if not url.strip():
        raise UsageError(f"type an address: {known_forms()}")
    if "\0" in url:
        raise UsageError(f"{url.strip()[:80]!r} is not a valid address: it holds a character that no address has")
    address = Address.of(url.strip())
    if address.path is not None:
        path = address.path.resolve()
        if not any(path.is_relative_to(folder.resolve()) for folder in folders):
            raise UsageError(
                f"{address.name}: files of the server may not be opened from a browser; upload the file on the page "
                "Analyse, or add its folder to the setting dashboard.media_folders"
            )
    if address.kind.is_remote:
        try:
            host = urlsplit(address.target).hostname or ""
        except ValueError:
            raise UsageError(f"{address.name}: this is not a valid address: check its brackets") from None
        if not host:
            raise UsageError(f"{address.name}: the host is missing; write an address like {address.kind.example}")
        if any(_is_link_local(address) for address in _look_up(host, shown=address.name)):
            raise UsageError(f"{address.name}: link-local addresses may not be opened from a browser")


def _look_up(host: str, *, shown: str) -> list[IPv4Address | IPv6Address]:
    """The IP addresses of a host, in every notation that FFmpeg accepts; empty if the host does not exist."""
    with suppress(ValueError):
        return [ip_address(host)]
    with suppress(OSError, UnicodeError):
        return [ip_address(socket.inet_aton(host))]  # 2852039166, 0xa9fea9fe, 169.254.43518
    addresses: list[IPv4Address | IPv6Address] = []

    def resolve() -> None:
        with suppress(OSError, UnicodeError):  # FFmpeg reports an unknown host with a better message
            entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            addresses.extend(ip_address(str(entry[4][0])) for entry in entries)

    if host and run_parallel([resolve], timeout=LOOK_UP):
        raise UsageError(f"{shown}: the look-up of the host name took longer than {LOOK_UP:g} s: use the IP address")
    return addresses


def _is_link_local(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is link-local, also inside IPv6, or is another metadata address of a cloud."""
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None) or address
    return inner.is_link_local or inner in _METADATA
