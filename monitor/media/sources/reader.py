"""Decoded pictures of one video stream, with all damage counted."""

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
from monitor.media.pixel_aspect import PixelAspect
from monitor.media.recovery_points import RecoveryPoints
from monitor.media.reference_gaps import ReferenceGaps
from monitor.media.sources.address import Address

Arrival = tuple[VideoFrame, datetime]  # a picture and its packet's arrival time, UTC

_MAX_UNREADABLE = 1000  # unreadable packets in a row after which the source fails
_BUFFER_PACKETS = 64  # packets since the first key frame, kept for a late tap() ...
_BUFFER_BYTES = 8 * 2**20  # ... and their limit in bytes
# read time-outs without an intact picture until a live stream is lost: key frames may be 20 s apart
_DAMAGE_TIMEOUTS = 4
_READER_PAUSE = 1.0  # seconds between two reads that mean a pause of the reading thread, not of the stream
_POLL_INTERVAL = 0.005  # seconds until a device without a new frame is read again


class Reader:
    """Reads and decodes a stream, and counts its losses.

    Losses are: packets that cannot be read or decoded; pictures that the decoder marks as corrupt (it fills their gaps
    with invented pixels); H.264 pictures that never arrived; pictures that refer to a lost one, up to the next key
    frame or the end of the next intra refresh; and packets that the header announces but the file lacks. One case is
    not detected: a B-frame shown before its damaged reference, because the decoder marks the reference only after it
    has returned the B-frame.

    A live stream fails if its packets give no picture for ``read_timeout`` seconds, because its coding has changed. It
    also fails without an intact picture for four times as long.

    One thread reads. Another thread may call ``close``, which must not free the container during a read: the later of
    the two closes the container.
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
        self.aspect = PixelAspect(stream)
        self._container = container
        self._stream = stream
        self._address = address
        self._read_timeout = read_timeout
        self._live = live
        self._packets = container.demux(stream)
        self._announced = stream.frames
        self._received = 0
        self._unreadable = 0
        self._received_at = time.monotonic()
        self._intact_from: float | None = None  # ticks: the key frame that ends the damage; None: no damage
        self._recovery = RecoveryPoints(stream.codec_context)
        self._gaps = ReferenceGaps(stream.codec_context)
        self._has_decoded = False  # whether a picture was decoded
        self._checked_at = 0.0  # time.monotonic() of the last check of the next two values
        self._undecodable_since: float | None = None  # time.monotonic() since which packets gave no picture
        self._damaged_since: float | None = None  # time.monotonic() since which no picture was intact
        self.closed = False
        self._reading = threading.Lock()
        self._listeners: list[PacketListener] = []
        self._first_packets: list[CompressedPacket] | None = []  # None: too many

    def __iter__(self) -> Iterator[Arrival]:
        """Pictures in presentation order.

        Raises:
            SourceError: the stream failed before its end.
        """
        while (batch := self._step()) is not None:
            yield from batch

    def close(self) -> None:
        """Free the container now, or after the running read returns."""
        self.closed = True
        if self._reading.acquire(blocking=False):
            try:
                self._first_packets = None
                self._container.close()
            finally:
                self._reading.release()

    def tap(self, listener: PacketListener) -> bool:
        """See :meth:`monitor.media.sources.source.Source.tap`; waits for a running read."""
        with self._reading:
            if self.closed or not listener.begin(PacketStream.of(self._stream)):
                return False
            for packet in self._first_packets or ():
                listener.packet(packet)
            self._listeners.append(listener)
        return True

    def report(self, picture: VideoFrame, *, media_time: float) -> None:
        """Report a picture's media time to the listeners."""
        for listener in self._listeners:
            listener.picture(pts=picture.pts, media_time=media_time)

    def _forward(self, packet: Packet[VideoStream]) -> None:
        """Pass a packet to the listeners, and buffer the first ones."""
        if self._first_packets is None and not self._listeners:
            return
        copy = CompressedPacket.of(packet)
        for listener in self._listeners:
            listener.packet(copy)
        if self._first_packets is not None and (self._first_packets or copy.is_key):
            self._first_packets.append(copy)
            if (
                len(self._first_packets) > _BUFFER_PACKETS
                or sum(len(packet.data) for packet in self._first_packets) > _BUFFER_BYTES
            ):
                self._first_packets = None

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
        except BlockingIOError:  # raised by AVFoundation while the camera has no new frame
            return self._wait()
        except InvalidDataError:
            return self._skip()
        except FFmpegError as error:
            raise failure(error, self._address, opened=True) from None
        arrived = datetime.now(UTC)
        self._received_at = time.monotonic()
        self._unreadable = 0
        if packet is None:
            self.drops += Counter({"missing at the end": self._announced - self._received})
            return None
        if packet.size:
            self._received += 1
            self._forward(packet)
            if self._gaps.add(packet):
                self.drops["lost picture"] += self._intact_from is None
                self._mark_damage(None if packet.pts is None else packet.pts - 1)
            self._recovery.add(packet)
            if packet.is_keyframe and self._intact_from is not None:  # also if the timestamps restart
                self._intact_from = min(self._intact_from, -math.inf if packet.pts is None else packet.pts)
        pictures = self._decode(packet)
        self.aspect.update(packet)
        intact = [(picture, arrived) for picture in pictures if self._is_intact(picture)]
        if self._live:
            self._check_damage(len(pictures), len(intact))
        return intact

    def _decode(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        try:
            return packet.decode()
        except EndOfStream:  # the decoder was flushed before
            return []
        except FFmpegError:
            self.drops["undecodable packet"] += 1
            self._mark_damage(packet.pts)
            return []

    def _is_intact(self, picture: VideoFrame) -> bool:
        """Whether the picture is free of damage; damaged pictures are counted."""
        if picture.is_corrupt:
            self.drops["corrupt picture"] += 1
            self._mark_damage(picture.pts)
        elif self._intact_from is not None and not self._ends_damage(picture, self._intact_from):
            self.drops["picture after a corrupt one"] += 1
        else:
            self._intact_from = None
        return self._intact_from is None

    def _mark_damage(self, pts: int | None) -> None:
        """Count pictures as damaged up to a key frame after ``pts``; None: up to a key frame that is decoded later.

        Losses appear in decoding order, pictures in presentation order, so the decoder may still hold the key frame
        before the loss.
        """
        self._recovery.damage(pts)
        after = math.inf if pts is None else pts + 1
        self._intact_from = after if self._intact_from is None else max(self._intact_from, after)

    def _ends_damage(self, picture: VideoFrame, intact_from: float) -> bool:
        recovered = self._recovery.whole_from
        if recovered is not None and (math.inf if picture.pts is None else picture.pts) >= recovered:
            return True
        if not picture.key_frame:
            return False
        return intact_from < math.inf if picture.pts is None else picture.pts >= intact_from

    def _check_damage(self, pictures: int, intact: int) -> None:
        """Fail a stream that has given no picture, or no intact picture, for too long."""
        before, self._checked_at = self._checked_at, self._received_at
        now = self._received_at
        if now - before > _READER_PAUSE:
            self._damaged_since = self._undecodable_since = None
        if intact or self._damaged_since is None:
            self._damaged_since = now
        if pictures:
            self._has_decoded, self._undecodable_since = True, None
        elif self._undecodable_since is None:
            self._undecodable_since = now
        elif self._has_decoded and now - self._undecodable_since > self._read_timeout:
            raise SourceUnavailableError(
                f"{self._address.name}: its packets can no longer be decoded; did the stream change its coding?"
            )
        if now - self._damaged_since > _DAMAGE_TIMEOUTS * self._read_timeout:
            raise SourceUnavailableError(
                f"{self._address.name}: none of its pictures arrives intact; is the network overloaded?"
            )

    def _wait(self) -> list[Arrival]:
        if time.monotonic() - self._received_at > self._read_timeout:
            raise failure(TimeoutError(errno.ETIMEDOUT, ""), self._address, opened=True)
        time.sleep(_POLL_INTERVAL)
        self._packets = self._container.demux(self._stream)
        return []

    def _skip(self) -> list[Arrival]:
        self.drops["unreadable packet"] += 1
        self._mark_damage(None)
        self._unreadable += 1
        if self._unreadable > max(_MAX_UNREADABLE, self._announced):
            raise SourceUnreadableError(f"{self._address.name}: breaks off: the rest cannot be read; is it complete?")
        self._packets = self._container.demux(self._stream)
        return []
