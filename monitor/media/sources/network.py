"""Streams from the network: RTSP cameras, HTTP and HLS."""

import contextlib
import errno
import time
from typing import Final

from av.error import tag_to_code

from monitor.errors import (
    SourceError,
    SourceNotFoundError,
    SourceRefusedError,
    SourceUnavailableError,
    SourceUnreadableError,
)
from monitor.media.failures import TIMED_OUT, FailureCauses
from monitor.media.sources.address import Address, SourceKind
from monitor.media.sources.container import ContainerSource, open_container, open_container_source
from monitor.media.sources.tls import certificate_note, explain_tls, tls_options
from monitor.media.sources.video_streams import PLAYLISTS
from monitor.media.sources.wrong_content import explain
from monitor.settings import SourceSettings

# FFmpeg's analysis time before the first picture of a live stream, microseconds. Its default of 5 s delays
# every start by 3 s; the decoder finds the missing properties by itself. ``fflags=nobuffer``, the usual
# advice, discards the packets read during the analysis, including the key frame: the first picture then waits
# for the next key frame, and nothing is faster afterwards.
_ANALYSIS = "500000"

_SILENT = (SourceUnavailableError, "no answer in time; is the address right and the camera on this network?")
_FELL_SILENT = (
    SourceUnavailableError,
    "no answer in time; is it still switched on? If its pictures come less often than that, raise source.read_timeout",
)
_HUNG_UP = (SourceUnavailableError, "the other side closed the connection; is it still switched on?")
_SOUND_TRIES = (0.0, 0.5)  # seconds before each: the server may still be ending the rejected request
_UNKNOWN = (SourceUnavailableError, "cannot be reached; is the host name right?")
_REJECTED = (SourceUnavailableError, "the server rejects the request; is the address right?")
_FAILURES = FailureCauses(
    by_code={
        tag_to_code(b"\xf8401"): (SourceRefusedError, "wrong or missing user name or password"),
        tag_to_code(b"\xf8403"): (SourceRefusedError, "the server forbids it; may this user watch it?"),
        tag_to_code(b"\xf8404"): (SourceNotFoundError, "the server has nothing there; is the path right?"),
        tag_to_code(b"\xf8400"): _REJECTED,
        tag_to_code(b"\xf8429"): (SourceUnavailableError, "too many requests; try again later"),
        tag_to_code(b"\xf84XX"): _REJECTED,
        tag_to_code(b"\xf85XX"): (SourceUnavailableError, "the server itself has failed; try again later"),
        tag_to_code(b"\xf8PRO"): (SourceUnavailableError, "this FFmpeg does not speak that protocol"),
        TIMED_OUT: _SILENT,
        errno.ETIMEDOUT: _SILENT,
        errno.ECONNREFUSED: (SourceUnavailableError, "nothing listens there; are host and port right?"),
        errno.ECONNRESET: _HUNG_UP,
        errno.ECONNABORTED: _HUNG_UP,
        errno.EPIPE: _HUNG_UP,
        errno.EHOSTUNREACH: (SourceUnavailableError, "there is no way to that host; is it on this network?"),
        errno.ENETUNREACH: (SourceUnavailableError, "there is no network; is this machine connected?"),
    },
    otherwise=_UNKNOWN,
    broken_off=_HUNG_UP,
    fell_silent=_FELL_SILENT,
)


def open_rtsp(address: Address, settings: SourceSettings) -> ContainerSource:
    """Open a camera; its sound is not requested."""
    options = {
        "rtsp_transport": settings.rtsp_transport,
        "allowed_media_types": "video",
        "analyzeduration": _ANALYSIS,
    }
    certificates = settings.tls_certificates
    options.update(tls_options(address, certificates))
    try:
        container = open_container(address.target, address=address, settings=settings, options=options)
    except SourceError as error:
        if _was_rejected(error) and _has_only_sound(address, settings):
            raise SourceUnreadableError(
                f"{address.name}: holds sound but no picture; choose the camera's address with video"
            ) from None
        if not _may_be_tls(error):
            raise
        timeout = settings.open_timeout
        raise explain_tls(error, address, certificates=certificates, timeout=timeout) from None
    note = certificate_note(address, certificates)
    return open_container_source(container, address=address, settings=settings, live=True, note=note)


def _may_be_tls(error: SourceError) -> bool:
    """Whether FFmpeg may mean encryption: it names no cause, or takes the answer for something else than RTSP."""
    return isinstance(error, SourceUnreadableError) or str(error).endswith((_UNKNOWN[1], _HUNG_UP[1]))


def _was_rejected(error: SourceError) -> bool:
    """Whether the server answers, and rejects the request: so it does to a request for no stream at all."""
    return str(error).endswith(_REJECTED[1])


def _has_only_sound(address: Address, settings: SourceSettings) -> bool:
    """Whether a camera that rejects a request for video has nothing but sound."""
    options = {"rtsp_transport": settings.rtsp_transport, "analyzeduration": _ANALYSIS}
    options.update(tls_options(address, settings.tls_certificates))
    for pause in _SOUND_TRIES:
        time.sleep(pause)
        with (
            contextlib.suppress(SourceError),
            open_container(address.target, address=address, settings=settings, options=options) as container,
        ):
            return bool(container.streams.audio) and not container.streams.video
    return False


def open_http(address: Address, settings: SourceSettings) -> ContainerSource:
    """Open a file on a web server, or a live stream: a stream has neither a duration nor a size."""
    try:
        container = open_container(address.target, address=address, settings=settings)
        playlist = container.format.name.startswith(PLAYLISTS)  # their size is that of the text, not of the video
        live = container.duration is None and (playlist or container.size <= 0)
        note = certificate_note(address)
        return open_container_source(container, address=address, settings=settings, live=live, note=note)
    except SourceError as error:
        raise explain(error, address, timeout=settings.open_timeout) from None


RTSP: Final = SourceKind(
    name="rtsp",
    form="rtsp://",
    example="rtsp://user:password@camera/stream",
    open=open_rtsp,
    schemes={"rtsp": 554, "rtsps": 322},
    may_come_back=True,
    failures=_FAILURES,
)
HTTP: Final = SourceKind(
    name="http",
    form="http(s)://",
    example="https://host/live.m3u8",
    open=open_http,
    schemes={"http": 80, "https": 443},
    may_come_back=True,
    failures=_FAILURES,
)
