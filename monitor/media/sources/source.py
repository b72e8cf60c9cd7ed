"""What every source is, whatever is behind it."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Self

from monitor.media.frame_skipping import FrameSkipper
from monitor.media.packets import PacketListener
from monitor.types import Frame, SourceInfo


class Source(ABC):
    """An open source of frames: iterate over it in one thread, ``close`` it from any."""

    def __init__(self, info: SourceInfo, drops: Counter[str]) -> None:
        self.info = info
        self.frame_skipper = FrameSkipper()  # asked about each frame before it is made
        self._drops = drops

    @property
    def drops(self) -> Mapping[str, int]:
        """Packets or pictures lost inside the source so far, by cause; a snapshot."""
        return dict(self._drops)

    @property
    def skipped(self) -> int:
        """Frames that were not made because of ``skip_to``, so far."""
        return self.frame_skipper.skipped

    @property
    def disordered(self) -> int:
        """Time stamps up to the newest frame that repeated one or ran back, before media time was made of them."""
        return 0

    def skip_to(self, fps: float | None) -> None:
        """Make at most so many frames a second from now on, evenly apart; None: all.

        For live sources, all of which do; call it on the thread that iterates.
        """
        self.frame_skipper.fps = fps

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

        The packets that were read to open the source are handed over too: at once in the caller's thread, or, from a
        process of its own, with the first iteration.

        Returns:
            False if there will be none: the pictures are not decoded from packets, or are not wanted.
        """
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
