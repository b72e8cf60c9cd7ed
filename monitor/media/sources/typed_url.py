"""The text of an address as people type or paste it -> a URL that FFmpeg reads in the same way.

A password may hold characters that end a host in a URL, such as ``#``, ``/`` and ``@``; they are escaped here. What
cannot be repaired is refused, because FFmpeg's own errors do not name the cause.
"""

import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final
from urllib.parse import quote

from monitor.errors import UsageError
from monitor.system.masking import mask, split_credentials, strip_blanks

_ESCAPED: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")  # a percent sign that escapes nothing
_UNRESERVED: Final = "!$&'()*+,;=-._~"
_PORTS: Final = range(1, 65536)
_NO_PORT: Final = "the port after the host is not a number; a user name and a password end with @, before the host"
_HOST_ONLY: Final = re.compile(
    r"(?P<host>(\d{1,3}\.){3}\d{1,3}|localhost|\[[0-9a-f:.%]+\]|[\w.-]+(?=:\d{1,5}(/|$))|www\.[\w.-]+|[\w-]+\.local)"
    r"(?P<port>:\d{1,5})?(/.*)?",
    re.IGNORECASE,
)


def read_url(text: str, *, example: str) -> str:
    """The URL that a typed text means: scheme in small letters, credentials escaped.

    >>> read_url(" RTSP://admin:a/b#c@camera/live", example="rtsp://camera/live")
    'rtsp://admin:a%2Fb%23c@camera/live'

    Args:
        text: with a scheme and two slashes.
        example: a complete address, for error messages.

    Raises:
        UsageError: the host is missing, or the host or the port is impossible.
    """
    text = strip_blanks(text)
    scheme, _, rest = text.partition("://")
    credentials, rest = split_credentials(rest)
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    problem = _problem(authority, example=example)
    if problem:
        shown = f"{scheme}://..." if problem is _NO_PORT and not credentials else mask(text)  # it may be a password
        raise UsageError(f"{shown}: {problem}")
    return f"{scheme.lower()}://{_escape(credentials)}{rest}"


def unknown_path_advice(text: str) -> str:
    """Advice for a text without a scheme that is the path of no file; "" if its meaning is unknown."""
    if text.isdecimal():
        return f"is no file; for the camera of this machine write webcam:{text}"
    if match := _HOST_ONLY.fullmatch(text):
        scheme = "http" if match["host"].lower().startswith("www.") else "rtsp"
        path = "" if "/" in text else "/..."
        return f"is no file; the address of a camera begins with rtsp:// or http://, such as {scheme}://{text}{path}"
    try:
        address = IPv6Address(text)
    except AddressValueError:
        return ""
    return f"is no file; the address of a camera begins with rtsp:// or http://, such as rtsp://[{address}]/..."


def _problem(authority: str, *, example: str) -> str:
    """The fault in ``HOST:PORT``; "" if there is none."""
    if not authority.startswith("[") and authority.count(":") > 1:
        return "an IPv6 address is written in brackets, as in rtsp://[fd00::7]:554/stream"
    match = re.fullmatch(r"(?P<host>\[[^\[\]]*\]|[^\[\]:]*)(?::(?P<port>.*))?", authority)
    if not match:
        return "this is not a valid address: check its brackets"
    host, port = match["host"], match["port"]
    if host in ("", "[]"):
        return f"the host is missing; write an address like {example}"
    if not port:
        return ""
    if not port.isascii() or not port.isdecimal():
        return _NO_PORT
    if int(port) not in _PORTS:
        return f"there is no port {port}; ports are 1 to 65535"
    return ""


def _escape(credentials: str) -> str:
    """User name and password with their ``@``, escaped once; "" without credentials."""
    if not credentials:
        return ""
    is_raw = re.search(r"[/?#@\s]", credentials[:-1])  # somebody who escapes leaves none of these
    user, colon, password = credentials[:-1].partition(":")
    return f"{_escape_once(user, raw=bool(is_raw))}{colon}{_escape_once(password, raw=bool(is_raw))}@"


def _escape_once(text: str, *, raw: bool) -> str:
    if raw:
        return quote(text, safe=_UNRESERVED + ":")
    return quote(_ESCAPED.sub("%25", text), safe=_UNRESERVED + ":%")
