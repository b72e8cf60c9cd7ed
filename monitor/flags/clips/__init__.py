"""Records the moving picture around a flagged moment.

    packets   a ring of a source's own packets, fed by its tap
    pictures  a ring of JPEGs, for sources whose packets no browser plays from an mp4, or that have none

A ring is fed by one thread (packets by the one that reads the source) and may be saved from any other. Clips have no
sound.
"""

from monitor.flags.clips.packets import PacketRing
from monitor.flags.clips.pictures import PictureRing
from monitor.media.clip import Clip
from monitor.media.sources import Source
from monitor.media.span_cutter import cut_isolated
from monitor.settings import SourceSettings

__all__ = ["Clip", "PacketRing", "PictureRing", "cut_isolated", "follow"]

_SETTINGS = SourceSettings()


def follow(
    source: Source, *, seconds: float, max_bytes: int, settings: SourceSettings = _SETTINGS
) -> PacketRing | PictureRing:
    """The ring that suits a source; call it before the first iteration, then ``add`` every frame.

    Args:
        source: an open one.
        seconds: how far back a clip may begin.
        max_bytes: of memory that the ring may take; where they are fewer than the seconds need, they win.
        settings: how the source is read; its packets are written in a process of its own, too.
    """
    packets = PacketRing(seconds=seconds, max_bytes=max_bytes, settings=settings)
    return packets if source.tap(packets) else PictureRing(seconds=seconds, max_bytes=max_bytes)
