"""What a person typed: which kind of source it means, and how it is shown without its secrets."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from monitor.errors import UsageError
from monitor.system.masking import mask, printable

_STREAMS = {"rtsp": "rtsp", "rtsps": "rtsp", "http": "http", "https": "http"}
_DEVICES = ("webcam", "screen", "demo")
SCHEMES = "rtsp://, http(s)://, webcam:, screen:, demo:, or a path"


@dataclass(frozen=True, slots=True)
class Address:
    """Where frames come from."""

    kind: str  # path, rtsp, http, webcam, screen or demo
    target: str  # what follows the device's colon, or the whole URL or path; may hold secrets
    name: str  # masked: fit to be shown and stored

    @classmethod
    def of(cls, url: str | Path) -> "Address":
        """Understand what was typed.

        Raises:
            UsageError: the scheme is none of ours.
        """
        if isinstance(url, Path):
            return cls(kind="path", target=str(url), name=printable(url))
        scheme, _, rest = url.partition(":")
        scheme = scheme.lower()
        if scheme in _DEVICES:
            target = rest.strip()
            return cls(kind=scheme, target=target, name=f"{scheme}:{target}" if target else scheme)
        if scheme == "file":
            return cls.of(Path(url2pathname(unquote(urlsplit(url).path))))
        if scheme in _STREAMS and not rest.startswith("//"):
            raise UsageError(f"an address of {scheme}: begins with {scheme}://, with two slashes")
        if not rest.startswith("//") or len(scheme) < 2:  # a drive letter is no scheme
            return cls.of(Path(url))
        if scheme not in _STREAMS:
            raise UsageError(f"{mask(url)}: {scheme}:// is no source this program knows; use {SCHEMES}")
        return cls(kind=_STREAMS[scheme], target=url, name=mask(url))
