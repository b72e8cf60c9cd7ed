"""The address and the key of a server, as both clients need them."""

import ssl
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from monitor import __version__
from monitor.client.retries import Retries
from monitor.errors import UsageError
from monitor.system.masking import mask

_API: Final = "/api/v1"
EVENT_TIMEOUT: Final = 45.0  # seconds without a byte; the server sends a heartbeat every 15 seconds
_CONNECT_TIMEOUT: Final = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class ServerConnection:
    """A server and how to ask it."""

    address: str  # as it was given
    key: str = field(repr=False)  # "": none
    retries: Retries
    timeout: float  # seconds without a byte
    verify: ssl.SSLContext | bool

    @property
    def api(self) -> str:
        """The address of the API, without a slash at its end.

        Raises:
            UsageError: the address is none of a web server.
        """
        try:
            parts = urlsplit(self.address.strip())
            is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            is_valid = False
        if not is_valid or parts.query or parts.fragment:
            raise UsageError(f"{mask(self.address)}: this is no address of a server: write it like http://host:8501")
        base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        return base if base.endswith(_API) else base + _API

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of httpx's clients.

        Raises:
            UsageError: the address or the key is invalid.
        """
        headers = {"User-Agent": f"deepfake-monitor/{__version__}", "Accept": "application/json"}
        if self.key:
            if not (self.key.isascii() and self.key.isprintable()) or " " in self.key:
                raise UsageError("the key has characters that no key has: copy it again, without blanks")
            headers["Authorization"] = f"Bearer {self.key}"
        timeout = httpx.Timeout(self.timeout, connect=min(_CONNECT_TIMEOUT, self.timeout))
        return {"base_url": self.api, "headers": headers, "timeout": timeout, "verify": self.verify}
