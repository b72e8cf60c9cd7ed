"""A ring buffer of a source's own compressed packets."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Final

from monitor.flags.clips.reservations import ClipReservation, ClipReservations
from monitor.media.clip import Clip, missing_span_error
from monitor.media.media_clock import LEAP, RESET, TICK
from monitor.media.packets import CompressedPacket, PacketStream
from monitor.media.remux import TimedPacket, is_playable, select_packets, write
from monitor.media.worker.task import run_isolated
from monitor.settings import SourceSettings
from monitor.types import Frame

_REORDERED: Final = 64  # packets that a decoder may delay before their pictures; H.264 and AV1 need 16 and 32


@dataclass(slots=True, eq=False)
class _BufferedPacket:
    packet: CompressedPacket
    time: float | None  # timestamp, seconds on the stream's own clock
    media_time: float | None = None  # None until its picture is decoded


@dataclass(slots=True, eq=False)
class _Group:
    """The packets from one key frame up to the next."""

    packets: list[_BufferedPacket] = field(default_factory=list)
    size: int = 0  # bytes
    begin: float | None = None  # media time of its first decoded picture


class PacketRing:
    """A listener of :meth:`monitor.media.sources.Source.tap`, fed on the capture thread; any thread may reserve.

    The buffer always begins at a key frame. It drops whole groups of pictures: those older than ``seconds``, and as
    many as needed to stay below ``max_bytes``. If one group alone exceeds ``max_bytes``, the buffer starts again at
    the next key frame.

    Args:
        seconds: of media time; the minimum length of the buffer once they have passed.
        max_bytes: of buffered packets, never exceeded; the packets of all reserved clips have the same limit.
        settings: of the process that writes a clip.
    """

    def __init__(self, *, seconds: float, max_bytes: int, settings: SourceSettings) -> None:
        self._seconds, self._max_bytes, self._settings = seconds, max_bytes, settings
        self._groups: deque[_Group] = deque()
        self._size = 0
        self._newest = 0.0
        self._stream: PacketStream | None = None
        self._lock = threading.Lock()
        self._reservations = ClipReservations(max_bytes=max_bytes, write=self._write)

    @property
    def size(self) -> int:
        """Bytes of the buffered packets."""
        return self._size

    @property
    def span(self) -> tuple[float, float] | None:
        """Media time of the first and the last buffered picture, seconds; None if the buffer is empty."""
        times = [packet.media_time for packet in self._timed(self._groups)]
        return (min(times), max(times)) if times else None

    def begin(self, stream: PacketStream) -> bool:
        """Whether browsers play this stream from an mp4."""
        if not is_playable(stream):
            return False
        self._stream = stream
        return True

    def packet(self, packet: CompressedPacket) -> None:
        """Adds a packet; packets before the first key frame are dropped."""
        time_base = None if self._stream is None else self._stream.time_base
        buffered = _BufferedPacket(
            packet, None if packet.pts is None or time_base is None else float(packet.pts * time_base)
        )
        with self._lock:
            if packet.is_key:
                self._groups.append(_Group())
                self._reservations.extend(self._groups[-1])
            if self._groups:
                self._groups[-1].packets.append(buffered)
                self._groups[-1].size += len(packet.data)
                self._size += len(packet.data)
                self._trim()
                self._reservations.fit()

    def picture(self, *, pts: int | None, media_time: float) -> None:
        """Sets the media time of the packet with this timestamp, after its picture was decoded."""
        with self._lock:
            self._newest = media_time
            for group, buffered in self._latest():
                # a camera's first picture may have no timestamp
                if buffered.packet.pts == pts and buffered.media_time is None:
                    buffered.media_time = media_time
                    group.begin = media_time if group.begin is None else group.begin
                    break
            self._trim()
            self._reservations.close_before(media_time)

    def add(self, frame: Frame) -> None:
        """Does nothing: the packets come from the tap."""

    def reserve(self, *, start: float, moment: float, end: float) -> ClipReservation[_Group]:
        """Reserves a clip from the last key frame at or before ``start`` up to ``end``; its packets may still arrive.

        Times are media time in seconds.

        Args:
            moment: the flagged moment, the last part of the clip that a full memory drops.
        """
        with self._lock:
            return self._reservations.add(list(self._groups), start=start, moment=moment, end=end)

    def _write(self, path: Path, groups: Sequence[_Group], start: float, end: float) -> Clip:
        packets = self._timed(groups)
        if self._stream is None:
            raise missing_span_error(start, end, available=None)
        return run_isolated(write, path, self._stream, select_packets(packets, start, end), settings=self._settings)

    def _latest(self) -> Iterator[tuple[_Group, _BufferedPacket]]:
        """The packets that the decoder may still delay, the newest first."""
        left = _REORDERED
        for group in reversed(self._groups):
            for buffered in reversed(group.packets):
                if not left:
                    return
                left -= 1
                yield group, buffered

    def _trim(self) -> None:
        while self._size > self._max_bytes or self._is_old():
            self._size -= self._groups.popleft().size

    def _is_old(self) -> bool:
        """Whether the buffer is long enough without its first group."""
        begins = (group.begin for group in islice(self._groups, 1, None))
        second = next((begin for begin in begins if begin is not None), None)
        return second is not None and second <= self._newest - self._seconds

    def _timed(self, groups: Iterable[_Group]) -> list[TimedPacket]:
        with self._lock:
            packets = [(packet, packet.media_time) for packet in chain.from_iterable(group.packets for group in groups)]
        return [timed for epoch in _split(packets) for timed in _assign_times(epoch)]


def _split(
    packets: Iterable[tuple[_BufferedPacket, float | None]],
) -> Iterator[list[tuple[_BufferedPacket, float | None]]]:
    """Splits the packets where the timestamps restart."""
    epoch: list[tuple[_BufferedPacket, float | None]] = []
    last: float | None = None
    for packet, media_time in packets:
        if packet.time is not None:
            if last is not None and not -RESET <= packet.time - last < LEAP:
                yield epoch
                epoch = []
            last = packet.time
        epoch.append((packet, media_time))
    yield epoch


def _assign_times(epoch: list[tuple[_BufferedPacket, float | None]]) -> Iterator[TimedPacket]:
    """Assigns a media time to each packet; yields nothing if no picture of the epoch was decoded.

    A packet without a decoded picture gets the time of the last decoded one plus their distance in stream time.
    """
    known = ((media, packet.time) for packet, media in epoch if media is not None and packet.time is not None)
    first = next(known, None)
    if first is None:
        return
    last, offset = first[0] - TICK, first[0] - first[1]
    for packet, media in epoch:
        if media is not None:
            last, offset = media, offset if packet.time is None else media - packet.time
        else:
            last = last + TICK if packet.time is None else packet.time + offset
        yield TimedPacket(packet.packet.data, packet.packet.is_key, last)
