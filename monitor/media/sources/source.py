"""The interface of all sources."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Self

from monitor.media.frame_skipping import FrameSkipper
from monitor.media.packets import PacketListener
from monitor.types import Frame, SourceInfo


class Source(ABC):
    """An open source of frames: one thread iterates over it, any thread may ``close`` it."""

    def __init__(self, info: SourceInfo, drops: Counter[str]) -> None:
        self.info = info
        self.frame_skipper = FrameSkipper()  # asked before each frame is converted
        self._drops = drops

    @property
    def drops(self) -> Mapping[str, int]:
        """Packets or pictures lost inside the source so far, by cause; a copy."""
        return dict(self._drops)

    @property
    def skipped(self) -> int:
        """Number of frames skipped because of ``skip_to``."""
        return self.frame_skipper.skipped

    @property
    def disordered(self) -> int:
        """Number of raw timestamps that repeated or ran back, up to the newest frame."""
        return 0

    def skip_to(self, fps: float | None) -> None:
        """Limit the frame rate from now on, with even intervals; None: no limit.

        All live sources support this. Call it on the thread that iterates.
        """
        self.frame_skipper.fps = fps

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Frames in order, with strictly increasing media times; a second iteration continues after the first.

        Raises:
            SourceError: the source was lost during the iteration.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the source; may be called twice, and from any thread.

        A thread that iterates ends with its next frame, or when its read times out (``read_timeout``), because FFmpeg
        cannot be interrupted.
        """

    def tap(self, listener: PacketListener) -> bool:  # noqa: ARG002 - for sources with packets
        """Add a listener for the compressed packets; call it before the first iteration.

        The packets read while opening are passed on too: immediately in the caller's thread, or, from a separate
        process, with the first iteration.

        Returns:
            False if the listener receives no packets: the source has none, or the listener refused them.
        """
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
