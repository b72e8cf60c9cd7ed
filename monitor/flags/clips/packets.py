"""The last seconds of a source as it sent them: its own compressed packets."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Final

from monitor.media.clip import Clip, missing_span_error
from monitor.media.media_clock import LEAP, RESET, TICK
from monitor.media.packets import CompressedPacket, PacketStream
from monitor.media.remux import TimedPacket, is_playable, select_packets, write
from monitor.media.worker.task import run_isolated
from monitor.settings import SourceSettings
from monitor.types import Frame

_REORDERED: Final = 64  # packets that a decoder may hold back before their pictures come; H.264 and AV1 need 16 and 32


@dataclass(slots=True, eq=False)
class _KeptPacket:
    packet: CompressedPacket
    time: float | None  # its timestamp, seconds on the stream's own clock
    media_time: float | None = None  # None until its picture was decoded


@dataclass(slots=True, eq=False)
class _Group:
    """From one key frame up to the next."""

    packets: list[_KeptPacket] = field(default_factory=list)
    size: int = 0  # bytes
    begin: float | None = None  # media time of the first of its pictures that was decoded


class PacketRing:
    """A listener of :meth:`monitor.media.sources.Source.tap`; fed on the capture thread, saved from any.

    It begins at a key frame, always. Whole groups of pictures are let go: those without which ``seconds``
    are still there, and as many as needed to stay below ``max_bytes``. A source that sends no key frame for
    so long that one group alone exceeds the bytes is kept anew from its next key frame.

    Args:
        seconds: of media time, at least kept once they have passed.
        max_bytes: of packets, never exceeded.
        settings: of the process that writes a clip.
    """

    def __init__(self, *, seconds: float, max_bytes: int, settings: SourceSettings) -> None:
        self._seconds, self._max_bytes, self._settings = seconds, max_bytes, settings
        self._groups: deque[_Group] = deque()
        self._size = 0
        self._newest = 0.0
        self._stream: PacketStream | None = None
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes of packets that are kept now."""
        return self._size

    @property
    def span(self) -> tuple[float, float] | None:
        """Media time of the first and the last picture that are kept now, seconds; None if there are none."""
        times = [packet.media_time for packet in self._timed()]
        return (min(times), max(times)) if times else None

    def begin(self, stream: PacketStream) -> bool:
        """Whether browsers play this stream from an mp4."""
        if not is_playable(stream):
            return False
        self._stream = stream
        return True

    def packet(self, packet: CompressedPacket) -> None:
        """Keep it, if there is a key frame to begin at."""
        time_base = None if self._stream is None else self._stream.time_base
        kept = _KeptPacket(packet, None if packet.pts is None or time_base is None else float(packet.pts * time_base))
        with self._lock:
            if packet.is_key:
                self._groups.append(_Group())
            if self._groups:
                self._groups[-1].packets.append(kept)
                self._groups[-1].size += len(packet.data)
                self._size += len(packet.data)
                self._trim()

    def picture(self, *, pts: int | None, media_time: float) -> None:
        """Learn when one of the last packets is shown."""
        with self._lock:
            self._newest = media_time
            for group, kept in self._latest():
                if kept.packet.pts == pts and kept.media_time is None:  # a camera's first picture may have no timestamp
                    kept.media_time = media_time
                    group.begin = media_time if group.begin is None else group.begin
                    break
            self._trim()

    def add(self, frame: Frame) -> None:
        """Nothing: packets come by the tap."""

    def save(self, path: Path, start: float, end: float) -> Clip:
        """Write the pictures from the last key frame at or before ``start`` up to ``end`` as an mp4.

        Args:
            path: written at once; removed if that fails.
            start: media time, seconds.
            end: the same.

        Raises:
            OutputError: the disk is full or gone.
            SourceError: nothing of the span is there, any more or yet, or it cannot be written.
        """
        packets = self._timed()
        if self._stream is None:
            raise missing_span_error(start, end, available=None)
        return run_isolated(write, path, self._stream, select_packets(packets, start, end), settings=self._settings)

    def _latest(self) -> Iterator[tuple[_Group, _KeptPacket]]:
        """Those whose pictures may come next, the newest first."""
        left = _REORDERED
        for group in reversed(self._groups):
            for kept in reversed(group.packets):
                if not left:
                    return
                left -= 1
                yield group, kept

    def _trim(self) -> None:
        while self._size > self._max_bytes or self._is_old():
            self._size -= self._groups.popleft().size

    def _is_old(self) -> bool:
        """Whether the seconds are there without the first group."""
        begins = (group.begin for group in islice(self._groups, 1, None))
        second = next((begin for begin in begins if begin is not None), None)
        return second is not None and second <= self._newest - self._seconds

    def _timed(self) -> list[TimedPacket]:
        with self._lock:
            kept = [
                (packet, packet.media_time) for packet in chain.from_iterable(group.packets for group in self._groups)
            ]
        return [timed for epoch in _epochs(kept) for timed in _placed(epoch)]


def _epochs(kept: Iterable[tuple[_KeptPacket, float | None]]) -> Iterator[list[tuple[_KeptPacket, float | None]]]:
    """Parted where the timestamps start anew."""
    epoch: list[tuple[_KeptPacket, float | None]] = []
    last: float | None = None
    for packet, media_time in kept:
        if packet.time is not None:
            if last is not None and not -RESET <= packet.time - last < LEAP:
                yield epoch
                epoch = []
            last = packet.time
        epoch.append((packet, media_time))
    yield epoch


def _placed(epoch: list[tuple[_KeptPacket, float | None]]) -> Iterator[TimedPacket]:
    """In media time: as its picture was, else (damaged, or not decoded yet) as far from it as in stream time.

    Nothing, if none of the pictures was decoded.
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
