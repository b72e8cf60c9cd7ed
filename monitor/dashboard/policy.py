"""Which sources somebody at a browser may ask the server to open.

Cameras stand in private networks, so these are allowed; the files of the server are not, but for the folders that the
settings name; nor are link-local addresses, where clouds keep their credentials.
"""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from monitor.errors import UsageError
from monitor.source.address import Address

if TYPE_CHECKING:
    from collections.abc import Sequence


def allowed(url: str, *, folders: Sequence[Path]) -> None:
    """Let an address pass.

    Args:
        url: as it was typed.
        folders: whose files may be opened.

    Raises:
        UsageError: it makes no sense, or may not be opened from a browser.
    """
    if not url.strip():
        msg = "type an address: rtsp://..., http(s)://..., webcam:0, screen: or demo:"
        raise UsageError(msg)
    address = Address.of(url.strip())
    if address.kind == "path":
        path = Path(address.target).resolve()
        if not any(path.is_relative_to(folder.resolve()) for folder in folders):
            msg = (
                f"{address.name}: files of the server may not be opened from a browser; upload it under Analyse, "
                "or name its folder in the setting dashboard.media_folders"
            )
            raise UsageError(msg)
    if address.kind in ("rtsp", "http"):
        try:
            refused = _link_local(address.target)
        except ValueError:
            msg = f"{address.name}: is no address: check its brackets"
            raise UsageError(msg) from None
        if refused:
            msg = f"{address.name}: link-local addresses may not be opened from a browser"
            raise UsageError(msg)


def _link_local(url: str) -> bool:
    """Whether it names a link-local address, in any of the ways in which FFmpeg would read one."""
    host = urlsplit(url).hostname or ""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        try:
            found = ipaddress.ip_address(socket.inet_aton(host))  # 2852039166, 0xa9fea9fe, 169.254.43518
        except (OSError, UnicodeError):
            return False  # a name
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_link_local
