"""Downloads the file of an address for an analysis, in bounded steps.

The rules for addresses are those of the pages, see :mod:`monitor.server.address_policy`; they apply to each redirect,
too. A live stream has no end, so it is refused.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx

from monitor.errors import SourceNotFoundError, SourceRefusedError, SourceUnavailableError, UsageError
from monitor.media.sources.address import Address
from monitor.media.sources.network import HTTP
from monitor.server.address_policy import check_address
from monitor.server.upload_size import check_size
from monitor.system.masking import mask

_CHUNK: Final = 1 << 18  # bytes
_LONGEST: Final = 3600.0  # seconds (wall clock) of one download
_MAX_REDIRECTS: Final = 5
_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)  # seconds without a byte
_LIVE_TYPES: Final = ("multipart/x-mixed-replace", "mpegurl", "dash+xml")  # parts of a Content-Type
_LIVE_SUFFIXES: Final = (".m3u8", ".m3u", ".mpd")
_LIVE: Final = "this is a live stream or a playlist, and only a file has an end: add it as a stream, or upload a file"
_HTTP_STATUS: Final[dict[int, type[SourceUnavailableError | SourceNotFoundError]]] = {
    401: SourceRefusedError,
    403: SourceRefusedError,
    404: SourceNotFoundError,
    410: SourceNotFoundError,
}


def check_file_address(url: str, *, folders: Sequence[Path]) -> str:
    """Checks the address of a file; waits for a name look-up, so do not call it on the event loop.

    Args:
        folders: the files in these folders may be opened.

    Returns:
        The name of the file.

    Raises:
        UsageError: the address is invalid, may not be opened by a client, or is no file.
    """
    check_address(url, folders=folders)
    address = Address.of(url.strip())
    if address.path is not None:
        if not address.path.is_file():
            raise UsageError(f"{address.name}: there is no such file on the server: check the path")
        return address.path.name
    parts = urlsplit(address.target)
    if address.kind is not HTTP or parts.path.lower().endswith(_LIVE_SUFFIXES):
        raise UsageError(f"{address.name}: {_LIVE}")
    return unquote(parts.path).rstrip("/").rpartition("/")[2] or parts.hostname or "download"


def download(
    url: str, path: Path, *, folders: Sequence[Path], max_megabytes: int, check: Callable[[], None] = lambda: None
) -> None:
    """Writes the file of an address to ``path``.

    Args:
        folders: as for :func:`check_file_address`.
        check: called at the start and for each part; its errors end the download.

    Raises:
        UsageError: the file is too large, or the address or a redirect is not allowed.
        SourceError: the server does not answer, refuses, or has no such file.
        OSError: the file cannot be written.
    """
    check()
    check_file_address(url, folders=folders)
    source = Address.of(url.strip())
    received = 0
    with path.open("wb") as file:

        def write(part: bytes) -> None:
            nonlocal received
            received += len(part)
            check()
            check_size(received, max_megabytes=max_megabytes)
            file.write(part)

        if source.path is not None:
            with source.path.open("rb") as original:
                while part := original.read(_CHUNK):
                    write(part)
        else:
            _download_http(source.target, write, max_megabytes=max_megabytes)


def _download_http(url: str, write: Callable[[bytes], None], *, max_megabytes: int) -> None:
    name, deadline = mask(url), time.monotonic() + _LONGEST
    headers = {"Accept-Encoding": "identity"}  # a compressed answer could be larger than its length
    try:
        with httpx.Client(timeout=_TIMEOUT, headers=headers, trust_env=False) as client:
            for _ in range(1 + _MAX_REDIRECTS):
                with client.stream("GET", url) as response:
                    if response.next_request is not None:
                        url = str(response.next_request.url)
                        check_file_address(url, folders=())
                        continue
                    _check_answer(response, name)
                    check_size(int(response.headers.get("content-length") or 0), max_megabytes=max_megabytes)
                    for part in response.iter_raw():  # as it arrives, so that a slow server meets the limits, too
                        write(part)
                        if time.monotonic() > deadline:
                            raise SourceUnavailableError(f"{name}: the download took longer than {_LONGEST:g} s")
                    return
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise SourceUnavailableError(f"{name}: the file cannot be downloaded: {mask(reason)}") from None
    raise SourceUnavailableError(f"{name}: more than {_MAX_REDIRECTS} redirects: give the address of the file itself")


def _check_answer(response: httpx.Response, name: str) -> None:
    if not response.is_success:
        kind = _HTTP_STATUS.get(response.status_code, SourceUnavailableError)
        raise kind(f"{name}: the server answers {response.status_code} {response.reason_phrase}: check the address")
    media_type = response.headers.get("content-type", "").lower()
    if any(live in media_type for live in _LIVE_TYPES):
        raise UsageError(f"{name}: {_LIVE}")
