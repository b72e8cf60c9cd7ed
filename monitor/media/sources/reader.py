"""Decoded pictures of one video stream, whatever its packets are worth."""

from __future__ import annotations

import errno
import math
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from av import VideoFrame
from av.container import InputContainer
from av.error import EOFError as EndOfStream
from av.error import FFmpegError, InvalidDataError
from av.packet import Packet
from av.video.stream import VideoStream

from monitor.errors import SourceError, SourceUnavailableError, SourceUnreadableError
from monitor.media import progress
from monitor.media.failures import failure
from monitor.media.packets import CompressedPacket, PacketListener, PacketStream
from monitor.media.sources.address import Address

Arrival = tuple[VideoFrame, datetime]  # a picture and when its packet arrived, UTC

_SETBACKS = 1000  # unreadable packets in a row after which there is no hope
_REMEMBERED = 64  # packets since the first key frame, for whoever taps after the source was opened ...
_REMEMBERED_BYTES = 8 * 2**20  # ... and not more than these
_DAMAGED = 4  # read time-outs without a whole picture until a live stream is lost: key frames may be 20 s apart
_AWAY = 1.0  # seconds without a read after which it is the reader who was away
_PAUSE = 0.005  # seconds until a device that had no frame is asked again


class Reader:
    """Reads, decodes and counts what is lost.

    Lost are packets that cannot be read or decoded, pictures that the decoder marks as corrupt (it fills
    holes with invented pixels: nothing to judge a face by), those that are drawn from them, up to the next key
    frame, and packets that the header announces and the file does not hold. A B-frame shown before the picture
    that it is drawn from is not among them: the decoder marks that one as corrupt when the B-frame is gone.

    A live stream whose packets bear no more pictures for ``read_timeout`` seconds is lost itself: it has become
    something that this decoder does not understand. So is one of which no picture comes whole for four times as long.

    One thread reads. ``close`` may come from another, which must not free the container under a running
    read: whoever comes last closes it.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        *,
        address: Address,
        read_timeout: float,
        live: bool = False,
    ) -> None:
        self.drops: Counter[str] = Counter()
        self._container = container
        self._stream = stream
        self._address = address
        self._read_timeout = read_timeout
        self._live = live
        self._packets = container.demux(stream)
        self._announced = stream.frames
        self._received = 0
        self._setbacks = 0
        self._heard_at = time.monotonic()
        self._whole_from: float | None = None  # ticks: the key frame that ends what is drawn from a loss; None: no loss
        self._began = False  # whether there was a picture
        self._checked_at = 0.0  # when this and what follows was looked at; monotonic
        self._barren_since: float | None = None  # since when packets come, and no pictures; monotonic
        self._damaged_since: float | None = None  # and no whole ones
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
        """See :meth:`monitor.media.sources.source.Source.tap`; waits for a read that is under way."""
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
        progress.report()
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
            self.drops += Counter({"missing at the end": self._announced - self._received})
            return None
        if packet.size:
            self._received += 1
            self._hear(packet)
            if packet.is_keyframe and self._whole_from is not None:  # also where timestamps start anew
                self._whole_from = min(self._whole_from, -math.inf if packet.pts is None else packet.pts)
        pictures = self._decoded(packet)
        whole = [(picture, arrived) for picture in pictures if self._is_whole(picture)]
        if self._live:
            self._check_yield(len(pictures), len(whole))
        return whole

    def _decoded(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        try:
            return packet.decode()
        except EndOfStream:  # the decoder was flushed before
            return []
        except FFmpegError:
            self.drops["undecodable packet"] += 1
            self._taint(packet.pts)
            return []

    def _is_whole(self, picture: VideoFrame) -> bool:
        """Whether it shows what the camera saw; counted if not."""
        if picture.is_corrupt:
            self.drops["corrupt picture"] += 1
            self._taint(picture.pts)
        elif self._whole_from is not None and not self._ends_taint(picture, self._whole_from):
            self.drops["picture after a corrupt one"] += 1
        else:
            self._whole_from = None
        return self._whole_from is None

    def _taint(self, pts: int | None) -> None:
        """Trust no picture up to a key frame that is shown after ``pts``; None: that was decoded after now.

        Losses are met in order of decoding, pictures come in order of presentation: the key frame before the loss
        may still be in the decoder.
        """
        after = math.inf if pts is None else pts + 1
        self._whole_from = after if self._whole_from is None else max(self._whole_from, after)

    @staticmethod
    def _ends_taint(picture: VideoFrame, whole_from: float) -> bool:
        if not picture.key_frame:
            return False
        return whole_from < math.inf if picture.pts is None else picture.pts >= whole_from

    def _check_yield(self, pictures: int, whole: int) -> None:
        """Give a stream up that has borne nothing, or nothing whole, for too long.

        Raises:
            SourceUnavailableError: that is so.
        """
        before, self._checked_at = self._checked_at, self._heard_at
        now = self._heard_at
        if now - before > _AWAY:
            self._damaged_since = self._barren_since = None
        if whole or self._damaged_since is None:
            self._damaged_since = now
        if pictures:
            self._began, self._barren_since = True, None
        elif self._barren_since is None:
            self._barren_since = now
        elif self._began and now - self._barren_since > self._read_timeout:
            raise SourceUnavailableError(
                f"{self._address.name}: nothing that comes can be decoded any more; did it change its coding?"
            )
        if now - self._damaged_since > _DAMAGED * self._read_timeout:
            raise SourceUnavailableError(
                f"{self._address.name}: none of its pictures comes whole; is the network overloaded?"
            )

    def _wait(self) -> list[Arrival]:
        if time.monotonic() - self._heard_at > self._read_timeout:
            raise failure(TimeoutError(errno.ETIMEDOUT, ""), self._address, opened=True)
        time.sleep(_PAUSE)
        self._packets = self._container.demux(self._stream)
        return []

    def _skip(self) -> list[Arrival]:
        self.drops["unreadable packet"] += 1
        self._taint(None)
        self._setbacks += 1
        if self._setbacks > max(_SETBACKS, self._announced):
            raise SourceUnreadableError(
                f"{self._address.name}: breaks off: nothing that follows can be read; is it complete?"
            )
        self._packets = self._container.demux(self._stream)
        return []
