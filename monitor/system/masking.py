"""Masks the secrets in addresses."""

import os
import re
from pathlib import Path

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+)://(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_INVISIBLE = "\u200b\u2060\ufeff"  # zero-width characters that come along when an address is copied
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(:\d+)?(/.*)?", re.DOTALL)  # a host, a port, a path, without a password
_SECRET = re.compile(
    r"([?&;#/_](?:[^=&;#/\s]*(?:token|pass|pw|secret|key|auth|sig|cred|session|jwt|login)[^=&;#/\s]*|p)=)[^&;#\s]+",
    re.IGNORECASE,
)


def mask(url: str | Path) -> str:
    """Mask the secrets of an address: the password and tokens in the query. A user name stays.

    A password with an unescaped ``@ / ? #`` is masked too: everything before the last ``@`` counts as credentials.
    """
    match = _URL.fullmatch(strip_blanks(str(url)))
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


def strip_blanks(text: str) -> str:
    """The text without blanks and invisible characters around it."""
    before = None
    while text != before:
        before, text = text, text.strip().strip(_INVISIBLE)
    return text


def split_credentials(rest: str) -> tuple[str, str]:
    """Splits the text after ``://`` into user name and password with their ``@`` ("" if there are none), and the rest.

    >>> split_credentials("admin:a#1/2@camera/live")
    ('admin:a#1/2@', 'camera/live')

    An unescaped ``/ ? #`` in a password is understood, except a ``/`` after an unescaped ``@``: there a path begins.
    """
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    follows = rest[len(authority) : len(authority) + 1]
    is_cut = "@" in rest[len(authority) :] and (authority.endswith("@") or follows in ("#", "?"))
    if "@" in authority and not is_cut:
        end = authority.rindex("@") + 1
    elif "@" in authority or ("@" in rest and not _HOST.fullmatch(rest)):
        end = rest.rindex("@") + 1
    else:
        end = 0
    return rest[:end], rest[end:]


def printable(text: str | Path) -> str:
    """Text that can be printed and stored as UTF-8, even if a file name is not valid UTF-8."""
    return os.fsencode(text).decode("utf-8", "replace")
