"""A quick check that a host answers, before FFmpeg opens the address."""

import errno
import os
import socket
from typing import Final
from urllib.parse import urlsplit

from monitor.media.failures import failure
from monitor.media.sources.address import Address

_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy")


def check_reachable(address: Address, *, timeout: float) -> None:
    """Connect and disconnect; other kinds of sources, and hosts behind a proxy, are not checked.

    Args:
        timeout: seconds (wall clock) to wait for an answer.

    Raises:
        SourceUnavailableError: the host does not answer.
    """
    if any(name in map(str.lower, os.environ) for name in _PROXIES):
        return
    try:
        parts = urlsplit(address.target)
        usual = address.kind.schemes.get(parts.scheme.lower())
        host, port = parts.hostname, parts.port or usual
    except ValueError:  # FFmpeg reports the error
        return
    if usual is None:
        return
    try:
        socket.create_connection((host, port), timeout).close()
    except TimeoutError:
        raise failure(TimeoutError(errno.ETIMEDOUT, ""), address) from None
    except (OSError, UnicodeError) as error:
        raise failure(error, address) from None
