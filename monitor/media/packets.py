"""Compressed video packets as values: they outlive their container and can be sent to another process."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Protocol

import av
from av.packet import Packet
from av.video.stream import VideoStream

# mp4 also stores the rotation but rewrites an Annex B description; AVI does not
_HEADER_FORMATS: Final = ("mp4", "avi")


@dataclass(frozen=True, slots=True)
class PacketStream:
    """The description of a packet stream, independent of its container."""

    codec: str  # FFmpeg's codec name, not a decoder's: h264, hevc, vp9
    pixel_format: str | None  # yuv420p
    container: str  # FFmpeg's name of the container format
    described: bool  # whether the container stores the parameter sets outside the packets
    time_base: Fraction | None  # seconds per tick of the timestamps
    header: bytes  # the start of a file with this stream and no picture; b"": no file can hold it

    @classmethod
    def of(cls, stream: VideoStream) -> PacketStream:
        """The description of a stream that is open for decoding."""
        decoder = stream.codec_context
        return cls(
            codec=decoder.codec.canonical_name,
            pixel_format=decoder.pix_fmt,
            container=stream.container.format.name,
            described=bool(decoder.extradata),
            time_base=stream.time_base,
            header=_header(stream),
        )


@dataclass(frozen=True, slots=True)
class CompressedPacket:
    """One compressed packet, unchanged."""

    data: bytes
    pts: int | None  # ticks of the stream's time base
    is_key: bool  # whether decoding can start here

    @classmethod
    def of(cls, packet: Packet[VideoStream]) -> CompressedPacket:
        """A copy of a packet."""
        return cls(bytes(packet), packet.pts, packet.is_keyframe)


class PacketListener(Protocol):
    """Receives the compressed video of a source on the thread that iterates over the source.

    A packet is passed before the picture decoded from it. An exception from the listener ends the iteration.
    """

    def begin(self, stream: PacketStream) -> bool:
        """Whether the listener wants the packets of this stream."""

    def packet(self, packet: CompressedPacket) -> None:
        """The next packet in decoding order, damaged or not."""

    def picture(self, *, pts: int | None, media_time: float) -> None:
        """The media time (seconds) of the picture with timestamp ``pts`` (ticks of the stream)."""


def _header(stream: VideoStream) -> bytes:
    """Uses the first format that reproduces the stream's description exactly."""
    for name in _HEADER_FORMATS:
        file = io.BytesIO()
        options = {"movflags": "empty_moov"} if name == "mp4" else {}
        try:
            with av.open(file, "w", format=name, options=options) as output:
                output.add_stream_from_template(stream, opaque=True)  # libdav1d, a decoder, is no encoder
                output.start_encoding()
                header = file.getvalue()
            with av.open(io.BytesIO(header), metadata_errors="replace") as again:
                if again.streams.video[0].codec_context.extradata == stream.codec_context.extradata:
                    return header
        except (av.FFmpegError, ValueError, IndexError):
            continue
    return b""
