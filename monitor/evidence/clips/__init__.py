"""The moving picture of a flag: a clip from some seconds before a moment to some seconds after it.

    clip      what was written, and what there is no clip of
    remux     compressed packets -> mp4, not encoded again
    packets   a ring of a source's own packets, fed by its tap
    pictures  a ring of JPEGs, for sources whose packets no browser plays from an mp4, or that have none
    cut       a span of a local file

A ring is fed by one thread (packets by the one that reads the source) and may be saved from any other. Clips have no
sound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.evidence.clips.clip import Clip
from monitor.evidence.clips.cut import cut
from monitor.evidence.clips.packets import PacketRing
from monitor.evidence.clips.pictures import PictureRing

if TYPE_CHECKING:
    from monitor.source import Source

__all__ = ["Clip", "PacketRing", "PictureRing", "cut", "follow"]


def follow(source: Source, *, seconds: float, max_bytes: int) -> PacketRing | PictureRing:
    """The ring that suits a source; call it before the first iteration, then ``add`` every frame.

    Args:
        source: an open one.
        seconds: how far back a clip may begin.
        max_bytes: of memory that the ring may take; where they are fewer than the seconds need, they win.
    """
    packets = PacketRing(seconds=seconds, max_bytes=max_bytes)
    return packets if source.tap(packets) else PictureRing(seconds=seconds, max_bytes=max_bytes)
