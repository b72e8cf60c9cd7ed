"""Lost reference pictures of H.264, which the decoder replaces in silence.

If a whole picture is lost on its way, each packet that arrives is intact. The decoder then predicts the next pictures
from an earlier one and does not mark them as corrupt. The number of reference pictures (``frame_num``, H.264 7.4.3)
shows the gap. A recording that was cut at the key frame of an open group lacks the pictures that are shown before that
key frame; no later picture refers to them, so this gap is no damage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from monitor.media.recovery_points import length_size, split_units

_HEAD: Final = 64 * 1024  # bytes of a packet that are searched for the first slice
_START: Final = 512  # bytes of a unit that are read
_SPS: Final = 7  # type of a sequence parameter set
_IDR: Final = 5  # type of a slice of a picture that refers to no earlier one
_SLICES: Final = (1, 2, _IDR)
_WITH_CHROMA: Final = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)  # profiles, H.264 7.3.2.1.1


class ReferenceGaps:
    """Finds lost reference pictures of one stream; of other codecs, none."""

    def __init__(self, decoder: VideoCodecContext) -> None:
        self._is_h264 = decoder.codec.canonical_name == "h264"
        description = decoder.extradata or b""
        self._length_size = length_size("h264", description)
        self._numbering: _Numbering | None = None  # None: not known yet
        self._last: int | None = None  # frame_num of the last reference picture; None: not known
        self._is_cut = False  # whether the last reference picture is the key frame of an open group, after a gap
        if self._is_h264:
            self._read_description(description)

    def add(self, packet: Packet[VideoStream]) -> bool:
        """Whether a reference picture is missing before the next packet in decoding order."""
        if not self._is_h264:
            return False
        is_first = self._last is None
        for unit in split_units(memoryview(packet)[:_HEAD], self._length_size):
            kind, is_reference = unit[0] & 0x1F, bool(unit[0] & 0x60)
            if kind == _SPS:
                self._learn(bytes(unit[:_START]))
            elif kind in _SLICES:
                is_gap = self._count(bytes(unit[:_START]), is_idr=kind == _IDR, is_reference=is_reference)
                is_open_key = packet.is_keyframe and kind != _IDR
                is_damage = is_gap and not self._is_cut
                if is_reference:
                    self._is_cut = is_open_key and (is_gap or is_first)
                return is_damage
        return False

    def _count(self, unit: bytes, *, is_idr: bool, is_reference: bool) -> bool:
        before, numbering = self._last, self._numbering
        if numbering is None:
            return False
        try:
            number = _frame_number(unit, numbering)
        except IndexError:
            self._last = None
            return False
        if is_reference:
            self._last = number
        if is_idr or before is None or numbering.has_gaps:
            return False
        return number not in (before, (before + 1) % 2**numbering.bits)

    def _learn(self, unit: bytes) -> None:
        try:
            self._numbering = _read_numbering(unit)
        except IndexError:
            self._numbering = None

    def _read_description(self, description: bytes) -> None:
        if not self._length_size:
            units = [bytes(unit[:_START]) for unit in split_units(memoryview(description), 0)]
        else:  # avcC: five bytes, a count, and each set after two bytes of its length
            units = [bytes(unit[:_START]) for unit in split_units(memoryview(description)[6:], 2)][:1]
        for unit in units:
            if unit[0] & 0x1F == _SPS:
                self._learn(unit)


@dataclass(frozen=True, slots=True)
class _Numbering:
    """How a stream numbers its reference pictures."""

    bits: int  # of a number, after which it begins again at 0
    has_gaps: bool  # whether numbers may be missing, as in streams with layers
    has_planes: bool  # whether each colour has slices of its own


class _Bits:
    """Reads the numbers of a unit; IndexError at its end."""

    def __init__(self, unit: bytes) -> None:
        self._content = unit[1:].replace(b"\0\0\3", b"\0\0")
        self._position = 0

    def fixed(self, count: int) -> int:
        """The number u(n)."""
        value = 0
        for _ in range(count):
            byte = self._content[self._position // 8]
            value = value << 1 | byte >> (7 - self._position % 8) & 1
            self._position += 1
        return value

    def variable(self) -> int:
        """The number ue(v)."""
        zeros = 0
        while not self.fixed(1):
            zeros += 1
        return (1 << zeros) - 1 + self.fixed(zeros)

    def signed(self) -> int:
        """The number se(v)."""
        code = self.variable()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def _read_numbering(unit: bytes) -> _Numbering:
    """Reads a sequence parameter set, H.264 7.3.2.1.1."""
    bits, has_planes = _Bits(unit), False
    profile = bits.fixed(8)
    bits.fixed(16)
    bits.variable()
    if profile in _WITH_CHROMA:
        chroma = bits.variable()
        has_planes = chroma == 3 and bool(bits.fixed(1))
        bits.variable()
        bits.variable()
        bits.fixed(1)
        if bits.fixed(1):
            _skip_scaling_lists(bits, count=12 if chroma == 3 else 8)
    count = bits.variable() + 4
    order = bits.variable()
    if order == 0:
        bits.variable()
    elif order == 1:
        bits.fixed(1)
        bits.signed()
        bits.signed()
        for _ in range(bits.variable()):
            bits.signed()
    bits.variable()
    return _Numbering(bits=count, has_gaps=bool(bits.fixed(1)), has_planes=has_planes)


def _skip_scaling_lists(bits: _Bits, *, count: int) -> None:
    for number in range(count):
        if not bits.fixed(1):
            continue
        last = following = 8
        for _ in range(16 if number < 6 else 64):
            if following:
                following = (last + bits.signed()) % 256
            last = following or last


def _frame_number(unit: bytes, numbering: _Numbering) -> int:
    """The number in the head of a slice, H.264 7.3.3."""
    bits = _Bits(unit)
    for _ in range(3):
        bits.variable()
    if numbering.has_planes:
        bits.fixed(2)
    return bits.fixed(numbering.bits)
