"""Masks the secrets in addresses."""

import os
import re
from pathlib import Path

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+)://(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(:\d+)?(/.*)?", re.DOTALL)  # a host, a port, a path, without a password
_SECRET = re.compile(
    r"([?&;#/_](?:[^=&;#/\s]*(?:token|pass|pw|secret|key|auth|sig|cred|session|jwt|login)[^=&;#/\s]*|p)=)[^&;#\s]+",
    re.IGNORECASE,
)


def mask(url: str | Path) -> str:
    """Mask the secrets of an address: the password and tokens in the query. A user name stays.

    A password with an unescaped ``@ / ? #`` is masked too: everything before the last ``@`` counts as credentials.
    """
    match = _URL.fullmatch(str(url))
    if not match:
        return printable(url)
    rest = match["rest"]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority or ("@" in rest and not _HOST.fullmatch(rest)):
        userinfo, _, rest = rest.rpartition("@")
        user, colon, _ = userinfo.partition(":")
        rest = f"{user}:***@{rest}" if colon else f"***@{rest}"
    rest = _SECRET.sub(r"\1***", rest)
    return printable(f"{match['scheme']}://{rest}")


def printable(text: str | Path) -> str:
    """Text that can be printed and stored as UTF-8, even if a file name is not valid UTF-8."""
    return os.fsencode(text).decode("utf-8", "replace")
