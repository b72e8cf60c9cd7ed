"""Recovery points of H.264 and HEVC: from where on pictures are whole again in a stream without further key frames.

With intra refresh, drones and low-latency encoders send a column of each picture without reference to earlier pictures,
instead of key frames. A message in the stream (SEI recovery point, H.264 D.2.8, HEVC D.3.8) announces the start of a
sweep over the whole picture and its length. Damage from before the sweep is gone at its end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

_SEI: Final = {"h264": (6,), "hevc": (39,)}  # types of the units that hold messages
_SLICES: Final = {"h264": range(1, 6), "hevc": range(32)}  # types of the units that hold parts of a picture
_RECOVERY_POINT: Final = 6  # type of the message
_END: Final = b"\x80"  # after the last message
_HEAD: Final = 64 * 1024  # bytes of a packet that are searched for messages
_MAX_DELAY: Final = 16  # pictures that a decoder holds back at most; counted in streams without timestamps
_MAX_SWEEPS: Final = 16  # sweeps that run at the same time


@dataclass(slots=True)
class _Sweep:
    start: float  # timestamp of its first picture, ticks; -inf: it has none
    remaining: int  # reference pictures until the picture is whole


class RecoveryPoints:
    """Follows the sweeps of one stream; other codecs never recover this way."""

    def __init__(self, decoder: VideoCodecContext) -> None:
        self._codec = decoder.codec.canonical_name
        self._length_size = length_size(self._codec, decoder.extradata or b"")
        self._sweeps: list[_Sweep] = []
        self.whole_from: float | None = None  # timestamp from which pictures are whole; -inf: all; None: not known

    def add(self, packet: Packet[VideoStream]) -> None:
        """Follow the next packet in decoding order."""
        if self._codec not in _SEI:
            return
        units = list(self._units(memoryview(packet)[:_HEAD]))
        if any(is_reference for _, _, is_reference in units):
            for sweep in self._sweeps:
                sweep.remaining -= 1
        start, delay = (-math.inf, _MAX_DELAY) if packet.pts is None else (packet.pts, 0)
        counts = [_recovery_count(unit, codec=self._codec) for kind, unit, _ in units if kind in _SEI[self._codec]]
        self._sweeps += [_Sweep(start, count + delay) for count in counts if count is not None]
        del self._sweeps[:-_MAX_SWEEPS]
        if any(sweep.remaining <= 0 for sweep in self._sweeps):
            self.whole_from = start
            self._sweeps = [sweep for sweep in self._sweeps if sweep.remaining > 0]

    def damage(self, pts: int | None) -> None:
        """Forget the sweeps that began before a damaged picture with this timestamp; None: all."""
        self._sweeps = [] if pts is None else [sweep for sweep in self._sweeps if sweep.start > pts]
        self.whole_from = None

    def _units(self, data: memoryview) -> Iterator[tuple[int, bytes, bool]]:
        """Type, content, and whether it belongs to a reference picture, of each unit up to the first slice."""
        for unit in split_units(data, self._length_size):
            if self._codec == "h264":
                kind, is_reference = unit[0] & 0x1F, bool(unit[0] & 0x60)
            else:
                kind, is_reference = unit[0] >> 1 & 0x3F, True  # HEVC counts all pictures
            is_slice = kind in _SLICES[self._codec]
            yield kind, b"" if is_slice else bytes(unit), is_slice and is_reference
            if is_slice:
                return


def split_units(data: memoryview, size: int) -> Iterator[memoryview]:
    """The units of a packet; ``size`` is :func:`length_size`."""
    return _split_lengths(data, size) if size else _split_start_codes(data)


def length_size(codec: str, description: bytes) -> int:
    """Bytes of the length before each unit; 0: units begin with start codes."""
    position = {"h264": 4, "hevc": 21}.get(codec, 0)
    if len(description) <= position or description[0] != 1:
        return 0
    return (description[position] & 3) + 1


def _split_lengths(data: memoryview, size: int) -> Iterator[memoryview]:
    position = 0
    while position + size < len(data):
        length = int.from_bytes(data[position : position + size], "big")
        unit = data[position + size : position + size + length]
        if unit:
            yield unit
        position += size + length


def _split_start_codes(data: memoryview) -> Iterator[memoryview]:
    """Units between ``00 00 01``; the last one reaches to the end."""
    content = bytes(data)
    start = content.find(b"\0\0\1") + 3
    while 3 <= start < len(content):
        end = content.find(b"\0\0\1", start)
        yield data[start : len(content) if end < 0 else end]
        start = end + 3 if end >= 0 else len(content)


def _recovery_count(unit: bytes, *, codec: str) -> int | None:
    """Number of pictures that the sweep announced in a unit of messages lasts; None: it announces none.

    A unit that does not end with its last message announces none either: after a loss on the network, the end of a lost
    picture may follow the messages.
    """
    content = unit[1 if codec == "h264" else 2 :].replace(b"\0\0\3", b"\0\0").rstrip(b"\0")
    position, found = 0, None
    while position + 2 < len(content):
        kind, position = _variable(content, position)
        size, position = _variable(content, position)
        if kind == _RECOVERY_POINT and found is None and position < len(content):
            found = _exp_golomb(content[position : position + size])
        position += size
    if found is None or position > len(content) or content[position:] not in (b"", _END):
        return None
    # HEVC: a signed number, 0, 1, -1, 2, -2, ...
    return found if codec == "h264" else (found + 1) // 2 if found % 2 else 0


def _variable(content: bytes, position: int) -> tuple[int, int]:
    """A number whose bytes are added up while they are 255, and the position after it."""
    value = 0
    while position < len(content):
        byte = content[position]
        value, position = value + byte, position + 1
        if byte != 255:
            break
    return value, position


def _exp_golomb(content: bytes) -> int | None:
    """The number ue(v) at the beginning of a message; None: it is cut off."""
    bits = "".join(f"{byte:08b}" for byte in content[:9])
    zeros = len(bits) - len(bits.lstrip("0"))
    number = bits[zeros : 2 * zeros + 1]
    return int(number, 2) - 1 if len(number) == zeros + 1 else None
