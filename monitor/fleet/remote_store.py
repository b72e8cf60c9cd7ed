"""Opens a URL of a store (``s3://``, ``gs://``, ``az://``, ``sftp://``, ...) with fsspec.

End point and credentials come from the environment of each node, as the library of the store reads them: for S3
``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_ENDPOINT_URL`` or a role of the machine. They never travel
through Ray.
"""

import re
from typing import Any, Final

from monitor.errors import MonitorError, UsageError
from monitor.system.masking import mask

_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_OWN_SCHEMES: Final = frozenset(["file", "http", "https", "rtsp", "rtsps", "rtmp", "hls", "udp", "rtp", "srt"])


def is_store_url(address: str) -> bool:
    """Whether fsspec opens the address, rather than a source of this program.

    >>> is_store_url("s3://bucket/talk.mp4"), is_store_url("https://host/talk.mp4"), is_store_url("clips/talk.mp4")
    (True, False, False)
    """
    match = _SCHEME.match(address)
    if match is None or match[1].lower() in _OWN_SCHEMES:
        return False
    from fsspec import available_protocols

    return match[1].lower() in available_protocols()


def open_filesystem(url: str) -> tuple[Any, str]:
    """The file system of a store, and the path in it; listings are not cached.

    Raises:
        UsageError: the library of this store is not installed.
        MonitorError: the store cannot be opened.
    """
    from fsspec.core import url_to_fs

    try:
        filesystem, path = url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        raise UsageError(f"{mask(url)}: this kind of store needs another package ({error})") from error
    except Exception as error:
        raise MonitorError(f"{mask(url)} cannot be opened: {reason_of(error)}") from error
    return filesystem, path


def reason_of(error: BaseException) -> str:
    """One line about a failure of a store, with its secrets masked."""
    if isinstance(error, FileNotFoundError):
        return "the bucket or the path does not exist"
    if isinstance(error, PermissionError):
        return "access is refused; check the credentials in the environment of each node (AWS_ACCESS_KEY_ID, ...)"
    text = " ".join(str(error).split()) or type(error).__name__
    if "credentials" in text.lower():
        return "no credentials in the environment of this node (AWS_ACCESS_KEY_ID, ..., or a role of the machine)"
    return mask(text)
