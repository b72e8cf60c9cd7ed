"""Decoded pictures of one video stream, whatever its packets are worth."""

from __future__ import annotations

import errno
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from av.error import EOFError as EndOfStream
from av.error import FFmpegError, InvalidDataError

from monitor.errors import SourceError, SourceUnreadableError
from monitor.source.failure import failure
from monitor.source.packets import CompressedPacket, PacketStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av import VideoFrame
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

    from monitor.source.address import Address
    from monitor.source.packets import PacketListener

    Arrival = tuple[VideoFrame, datetime]  # a picture and when its packet arrived, UTC

_SETBACKS = 1000  # unreadable packets in a row after which there is no hope
_REMEMBERED = 64  # packets since the first key frame, for whoever taps after the source was opened ...
_REMEMBERED_BYTES = 8 * 2**20  # ... and not more than these
_PAUSE = 0.005  # seconds until a device that had no frame is asked again


class Reader:
    """Reads, decodes and counts what is lost.

    Lost are packets that cannot be read or decoded, pictures that the decoder marks as corrupt (it fills
    holes with invented pixels: nothing to judge a face by), and packets that the header announces and the
    file does not hold.

    One thread reads. ``close`` may come from another, which must not free the container under a running
    read: whoever comes last closes it.
    """

    def __init__(
        self, container: InputContainer, stream: VideoStream, *, address: Address, read_timeout: float
    ) -> None:
        self.losses: Counter[str] = Counter()
        self._container = container
        self._stream = stream
        self._address = address
        self._read_timeout = read_timeout
        self._packets = container.demux(stream)
        self._announced = stream.frames
        self._received = 0
        self._setbacks = 0
        self._heard_at = time.monotonic()
        self.closed = False
        self._reading = threading.Lock()
        self._listeners: list[PacketListener] = []
        self._early: list[CompressedPacket] | None = []  # None: too many of them

    def __iter__(self) -> Iterator[Arrival]:
        """Pictures in order of presentation.

        Raises:
            SourceError: the stream broke off in another way than by its end.
        """
        while (batch := self._step()) is not None:
            yield from batch

    def close(self) -> None:
        """Free the container now, or as soon as the running read returns."""
        self.closed = True
        if self._reading.acquire(blocking=False):
            try:
                self._early = None
                self._container.close()
            finally:
                self._reading.release()

    def tap(self, listener: PacketListener) -> bool:
        """See :meth:`monitor.source.source.Source.tap`; waits for a read that is under way."""
        with self._reading:
            if self.closed or not listener.begin(PacketStream.of(self._stream)):
                return False
            for packet in self._early or ():
                listener.packet(packet)
            self._listeners.append(listener)
        return True

    def report(self, picture: VideoFrame, *, media_time: float) -> None:
        """Tell the listeners which media time a picture was given."""
        for listener in self._listeners:
            listener.picture(pts=picture.pts, media_time=media_time)

    def _hear(self, packet: Packet[VideoStream]) -> None:
        """Hand a packet to the listeners, and remember the first ones."""
        if self._early is None and not self._listeners:
            return
        copy = CompressedPacket.of(packet)
        for listener in self._listeners:
            listener.packet(copy)
        if self._early is not None and (self._early or copy.is_key):
            self._early.append(copy)
            if len(self._early) > _REMEMBERED or sum(len(early.data) for early in self._early) > _REMEMBERED_BYTES:
                self._early = None

    def _step(self) -> list[Arrival] | None:
        batch = None
        try:
            with self._reading:
                if not self.closed:
                    batch = self._read()
        except SourceError:
            if not self.closed:
                raise
        if self.closed:
            self.close()
            return None
        return batch

    def _read(self) -> list[Arrival] | None:
        try:
            packet = next(self._packets, None)
        except BlockingIOError:  # AVFoundation says this while the camera has nothing new
            return self._wait()
        except InvalidDataError:
            return self._skip()
        except FFmpegError as error:
            raise failure(error, self._address, opened=True) from None
        arrived = datetime.now(UTC)
        self._heard_at = time.monotonic()
        self._setbacks = 0
        if packet is None:
            self.losses += Counter({"missing at the end": self._announced - self._received})
            return None
        if packet.size:
            self._received += 1
            self._hear(packet)
        try:
            pictures = packet.decode()
        except EndOfStream:  # the decoder was flushed before
            return []
        except FFmpegError:
            self.losses["undecodable packet"] += 1
            return []
        self.losses += Counter({"corrupt picture": sum(picture.is_corrupt for picture in pictures)})
        return [(picture, arrived) for picture in pictures if not picture.is_corrupt]

    def _wait(self) -> list[Arrival]:
        if time.monotonic() - self._heard_at > self._read_timeout:
            raise failure(TimeoutError(errno.ETIMEDOUT, ""), self._address, opened=True)
        time.sleep(_PAUSE)
        self._packets = self._container.demux(self._stream)
        return []

    def _skip(self) -> list[Arrival]:
        self.losses["unreadable packet"] += 1
        self._setbacks += 1
        if self._setbacks > max(_SETBACKS, self._announced):
            msg = f"{self._address.name}: breaks off: nothing that follows can be read; is it complete?"
            raise SourceUnreadableError(msg)
        self._packets = self._container.demux(self._stream)
        return []
