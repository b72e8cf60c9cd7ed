"""Buffers the last seconds of a source and saves the clip around a flagged moment.

    packets       a ring buffer of a source's own compressed packets, fed by the source's tap
    pictures      a ring buffer of JPEGs, for sources without packets that browsers play from an mp4
    reservations  the parts of a ring that pending clips need

One thread feeds a buffer (the capture thread feeds packets); any thread may reserve and save a clip. Clips have no
sound.
"""

from monitor.flags.clips.packets import PacketRing
from monitor.flags.clips.pictures import PictureRing
from monitor.flags.clips.reservations import ClipReservation
from monitor.media.clip import Clip
from monitor.media.sources import Source
from monitor.media.span_cutter import cut_isolated
from monitor.settings import SourceSettings

__all__ = ["Clip", "ClipBuffer", "ClipReservation", "PacketRing", "PictureRing", "cut_isolated", "follow"]

ClipBuffer = PacketRing | PictureRing

_SETTINGS = SourceSettings()


def follow(source: Source, *, seconds: float, max_bytes: int, settings: SourceSettings = _SETTINGS) -> ClipBuffer:
    """Creates the ring buffer for a source; call it before the first iteration, then ``add`` every frame.

    Args:
        seconds: media time that the buffer holds.
        max_bytes: memory limit of the buffer; it has priority over ``seconds``. The reserved clips have the same limit.
        settings: of the source; a worker process writes the packets of a clip.
    """
    packets = PacketRing(seconds=seconds, max_bytes=max_bytes, settings=settings)
    return packets if source.tap(packets) else PictureRing(seconds=seconds, max_bytes=max_bytes)
