"""Streams from the network: RTSP cameras, HTTP and HLS."""

from monitor.media.sources.address import Address
from monitor.media.sources.container import ContainerSource, open_container, open_container_source
from monitor.settings import SourceSettings

# How long FFmpeg looks at a live stream before it hands out the first picture, microseconds. Its default
# of 5 s costs 3 s of every start; the decoder learns what is left to learn. ``fflags=nobuffer``, the
# usual advice, throws away what was read meanwhile, the key frame included: the first picture then
# comes with the next key frame, and afterwards nothing is faster.
_ANALYSIS = "500000"
_PLAYLISTS = ("hls", "dash")  # their size is that of a text, not of the pictures


def open_rtsp(address: Address, settings: SourceSettings) -> ContainerSource:
    """A camera, pictures only: its sound would travel for nothing.

    Raises:
        SourceError: it does not answer, refuses, or sends no picture.
    """
    options = {
        "rtsp_transport": settings.rtsp_transport,
        "allowed_media_types": "video",
        "analyzeduration": _ANALYSIS,
    }
    container = open_container(address.target, address=address, settings=settings, options=options)
    return open_container_source(container, address=address, settings=settings, live=True)


def open_http(address: Address, settings: SourceSettings) -> ContainerSource:
    """A file on a web server, or a stream: that is what has neither a duration nor a size.

    Raises:
        SourceError: it does not answer, refuses, or sends no picture.
    """
    container = open_container(address.target, address=address, settings=settings)
    playlist = container.format.name.startswith(_PLAYLISTS)
    live = container.duration is None and (playlist or container.size <= 0)
    return open_container_source(container, address=address, settings=settings, live=live)
