"""Compressed video as values that outlive their container, and that can be sent to another process."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Protocol

import av
from av.packet import Packet
from av.video.stream import VideoStream

_HOLDERS: Final = ("mp4", "avi")  # an mp4 knows of rotation too, but writes an Annex B description anew; AVI does not


@dataclass(frozen=True, slots=True)
class PacketStream:
    """What the packets of a stream are, without its container."""

    codec: str  # FFmpeg's name of the coding, not of a decoder: h264, hevc, vp9
    pixel_format: str | None  # yuv420p
    container: str  # FFmpeg's name of the format they came in
    described: bool  # whether parameter sets came beside the packets
    time_base: Fraction | None  # seconds of a tick of their timestamps
    header: bytes  # the beginning of a file with this stream and no picture; b"": no file can hold it

    @classmethod
    def of(cls, stream: VideoStream) -> PacketStream:
        """A stream that is open for decoding."""
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
    """One packet, as it came."""

    data: bytes
    pts: int | None  # in ticks of the stream
    is_key: bool  # whether decoding can begin here

    @classmethod
    def of(cls, packet: Packet[VideoStream]) -> CompressedPacket:
        """A copy of a packet."""
        return cls(bytes(packet), packet.pts, packet.is_keyframe)


class PacketListener(Protocol):
    """Hears the compressed video of a source, as it came, on the thread that iterates over the source.

    A packet is heard before the picture that is decoded from it, and what it raises ends the iteration.
    """

    def begin(self, stream: PacketStream) -> bool:
        """Whether packets of this stream are wanted."""

    def packet(self, packet: CompressedPacket) -> None:
        """The next packet in order of decoding; also one that turns out to be damaged."""

    def picture(self, *, pts: int | None, media_time: float) -> None:
        """The picture shown at ``pts``, in ticks of the stream, was given that media time (seconds)."""


def _header(stream: VideoStream) -> bytes:
    """In the first format that gives the stream's description back as it is."""
    for name in _HOLDERS:
        file = io.BytesIO()
        options = {"movflags": "empty_moov"} if name == "mp4" else {}
        try:
            with av.open(file, "w", format=name, options=options) as output:
                output.add_stream_from_template(stream, opaque=True)  # a decoder may be no encoder's name: libdav1d
                output.start_encoding()
                header = file.getvalue()
            with av.open(io.BytesIO(header), metadata_errors="replace") as again:
                if again.streams.video[0].codec_context.extradata == stream.codec_context.extradata:
                    return header
        except (av.FFmpegError, ValueError, IndexError):
            continue
    return b""
