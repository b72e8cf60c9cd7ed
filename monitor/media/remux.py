"""Writes compressed packets into an mp4 without decoding them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from monitor.errors import SourceUnreadableError
from monitor.media.clip import Clip, missing_span_error
from monitor.media.packets import PacketStream
from monitor.system.files import write_error

TICKS: Final = 90_000  # per second; 25, 30, 30000/1001 and variable frame rates fall on whole ticks
MP4_OPTIONS: Final = {"movflags": "+faststart", "video_track_timescale": str(TICKS)}
_UNKNOWN_FPS: Final = 25
_TOLERANCE: Final = 1e-6  # seconds; tolerance for equal times after floating-point sums
# Codecs and pixel formats that Chromium, Firefox and Safari (AV1: recent Apple hardware) play from an mp4.
_PLAYABLE: Final = {
    "h264": {"yuv420p", "yuvj420p"},
    "vp9": {"yuv420p", "yuvj420p", "yuv420p10le"},
    "av1": {"yuv420p", "yuvj420p", "yuv420p10le"},
}
_UNTIMED: Final = {"avi", "h264", "obu", "av1"}  # formats without the presentation time of reordered pictures
_DESCRIBED: Final = {"h264", "av1"}  # codecs whose parameter sets an mp4 stores outside the packets


class TimedPacket(NamedTuple):
    """A compressed picture with its presentation time (media time, seconds)."""

    data: bytes
    is_key: bool
    media_time: float


def is_playable(stream: PacketStream) -> bool:
    """Whether browsers play these packets from an mp4 without encoding."""
    described = stream.codec not in _DESCRIBED or stream.described
    timed = stream.container not in _UNTIMED
    return bool(stream.header) and timed and described and stream.pixel_format in _PLAYABLE.get(stream.codec, ())


def select_packets(packets: Sequence[TimedPacket], start: float, end: float) -> list[TimedPacket]:
    """Select the packets that show a span (media time, seconds), from the last key frame at or before it, without gaps.

    Args:
        packets: in decoding order.

    Returns:
        In decoding order; the first packet is a key frame, and no packet is shown before it.

    Raises:
        SourceError: the packets contain nothing of the span.
    """
    first = _key_frame(packets, start, end)
    times = [packet.media_time for packet in packets]
    if first is None or max(times) < start - _TOLERANCE:
        raise missing_span_error(start, end, available=(min(times), max(times)) if times else None)
    last, top = -1, end
    while (found := max(index for index, time in enumerate(times) if time <= top + _TOLERANCE)) > last:
        last, top = found, max(times[first : found + 1])  # needed pictures may refer to later ones
    # Leading pictures of an open GOP refer to pictures before the key frame.
    return [packet for packet in packets[first : last + 1] if packet.media_time >= times[first]]


def write(path: Path, stream: PacketStream, packets: Sequence[TimedPacket]) -> Clip:
    """Write an mp4 with its index at the front.

    Args:
        path: written immediately; removed if writing fails.
        packets: as returned by :func:`select_packets`.

    Raises:
        OutputError: the disk is full or missing.
        SourceUnreadableError: the packets do not fit into an mp4.
    """
    try:
        path.touch()
        output = av.open(path, "w", format="mp4", options=dict(MP4_OPTIONS))
        try:
            header = stream.header if stream.described else _probe_header(stream.header, packets[0])
            copied = _copy_stream(header, output)
            copied.time_base = Fraction(1, TICKS)
            for packet in _retime(packets):
                packet.stream = copied
                output.mux(packet)
            output.close()
        except BaseException:
            with contextlib.suppress(OSError, ValueError, av.FFmpegError):  # a full disk fails here once more
                output.close()
            raise
    except (av.InvalidDataError, av.ArgumentError) as error:
        path.unlink(missing_ok=True)
        raise SourceUnreadableError(
            f"{path}: these packets do not fit into an mp4 ({error.strerror}); keep pictures instead"
        ) from error
    except (OSError, av.FFmpegError) as error:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        raise write_error(path, error) from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Clip(packets[0].media_time, max(packet.media_time for packet in packets), reencoded=False)


def _copy_stream(header: bytes, output: OutputContainer) -> VideoStream:
    """Add the stream of a file header to another file."""
    with av.open(io.BytesIO(header), metadata_errors="replace") as like:
        return output.add_stream_from_template(like.streams.video[0], opaque=True)


def _probe_header(header: bytes, first: TimedPacket) -> bytes:
    """The header plus one picture: without a description, FFmpeg reads the pixel format from a picture."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        packet = _packet(first, pts=0, dts=0, duration=1)
        packet.stream = _copy_stream(header, output)
        output.mux(packet)
    return file.getvalue()


def _key_frame(packets: Sequence[TimedPacket], start: float, end: float) -> int | None:
    """Index of the last key frame at or before ``start``, else of the first one in the span."""
    keys = [(index, packet.media_time) for index, packet in enumerate(packets) if packet.is_key]
    before = [index for index, time in keys if time <= start + _TOLERANCE]
    return before[-1] if before else next((index for index, time in keys if time <= end + _TOLERANCE), None)


def _retime(packets: Sequence[TimedPacket]) -> list[Packet[VideoStream]]:
    """New packets that start at time 0, with decoding times that do not depend on the source's.

    Decoding times are the sorted presentation times, shifted back by the reordering delay: they increase, and no
    picture is decoded after its presentation time.
    """
    begin, last = packets[0].media_time, -1
    shown = [0] * len(packets)
    for index in sorted(range(len(packets)), key=lambda index: packets[index].media_time):
        shown[index] = last = max(round((packets[index].media_time - begin) * TICKS), last + 1)
    ascending = sorted(shown)
    delay = max(due - pts for due, pts in zip(ascending, shown, strict=True))
    durations = {due: after - due for due, after in pairwise(ascending)}
    usual = ascending[-1] - ascending[-2] if len(ascending) > 1 else TICKS // _UNKNOWN_FPS
    return [
        _packet(packet, pts=pts, dts=due - delay, duration=durations.get(pts, usual))
        for packet, pts, due in zip(packets, shown, ascending, strict=True)
    ]


def _packet(timed: TimedPacket, *, pts: int, dts: int, duration: int) -> Packet[VideoStream]:
    packet: Packet[VideoStream] = av.Packet(timed.data)  # type: ignore[assignment]
    packet.pts, packet.dts, packet.duration = pts, dts, duration
    packet.time_base = Fraction(1, TICKS)
    packet.is_keyframe = timed.is_key
    return packet
