"""What every source is, whatever is behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping

    from av.packet import Packet
    from av.video.stream import VideoStream

    from monitor.types import Frame, SourceInfo


class PacketListener(Protocol):
    """Hears the compressed video of a source, as it came, on the thread that iterates over the source.

    A packet is heard before the picture that is decoded from it, and what it raises ends the iteration.
    """

    def begin(self, stream: VideoStream) -> bool:
        """Whether packets of this stream are wanted; copy its parameters now, its container may be closed later."""

    def packet(self, packet: Packet[VideoStream]) -> None:
        """The next packet in order of decoding; also one that turns out to be damaged."""

    def picture(self, *, pts: int | None, media_time: float) -> None:
        """The picture shown at ``pts``, in ticks of the stream, was given that media time (seconds)."""


class Source(ABC):
    """An open source of frames: iterate over it in one thread, ``close`` it from any."""

    def __init__(self, info: SourceInfo, losses: Counter[str]) -> None:
        self.info = info
        self._losses = losses

    @property
    def losses(self) -> Mapping[str, int]:
        """Packets or pictures lost inside the source so far, by cause; a snapshot."""
        return dict(self._losses)

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Frames in order, media times strictly increasing; a second iteration goes on where the first stopped.

        Raises:
            SourceError: while iterating, the source was lost.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of it; may be called twice, and from any thread.

        A thread that iterates meanwhile ends with its next frame, or when its read times out
        (``read_timeout``): FFmpeg cannot be interrupted from outside.
        """

    def tap(self, listener: PacketListener) -> bool:  # noqa: ARG002 - for those that have packets
        """Let somebody hear the compressed packets; call it before the first iteration.

        The packets that were read to open the source are handed over at once, in the caller's thread.

        Returns:
            False if there will be none: the pictures are not decoded from packets, or are not wanted.
        """
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
