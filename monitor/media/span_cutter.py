"""Cuts a span out of a local file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, takewhile
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from av import FFmpegError
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from monitor.errors import SourceUnreadableError
from monitor.media import progress
from monitor.media.clip import Clip, missing_span_error
from monitor.media.media_clock import LEAP, RESET
from monitor.media.packets import PacketStream
from monitor.media.remux import TimedPacket, is_playable, select_packets, write
from monitor.media.rgb import Orientation, rgb
from monitor.media.sources import open_source
from monitor.media.sources.address import Address
from monitor.media.sources.container import open_container, require_whole
from monitor.media.sources.reader import Reader
from monitor.media.sources.video_streams import choose_video
from monitor.media.video_writer import VideoWriter
from monitor.media.worker.task import run_isolated
from monitor.settings import SourceSettings
from monitor.system.files import write_error
from monitor.types import Pixels

# Other formats have no index, or unreliable timestamps, so they are read from their beginning.
_INDEXED: Final = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}
_MARGINS: Final = (1.0, 8.0, 64.0)  # seconds to seek before a span, tried in order until a key frame is found
_TOLERANCE: Final = 1e-6  # seconds; tolerance for equal times after floating-point sums
_SETTINGS: Final = SourceSettings()


class _FileIndex(NamedTuple):
    """The properties of a file that a search for a span needs."""

    file: Path
    origin: float  # presentation time of the first picture, seconds on the file's own clock
    margins: tuple[float | None, ...]  # seconds to seek before a span, tried in order; None: the file's beginning
    packets: PacketStream | None  # None: browsers do not play these packets from an mp4
    fps: float | None  # average frame rate
    settings: SourceSettings  # choose one of several videos


class _TimedPicture(NamedTuple):
    pixels: Pixels
    media_time: float


def cut(file: Path, path: Path, start: float, end: float, settings: SourceSettings = _SETTINGS) -> Clip:
    """Write the pictures of ``file`` from ``start`` to ``end`` as an mp4.

    Pictures of a codec that browsers play are copied, from the last key frame at or before ``start``. Others are
    encoded as H.264, from the picture that is visible at ``start``.

    Args:
        path: the mp4; copied pictures are written there immediately, encoded ones first to a hidden file beside it.
        start: media time, seconds since the first picture.
        end: media time, seconds since the first picture.
        settings: of the analysis, to choose the same one of several videos.

    Raises:
        OutputError: the disk is full or missing.
        SourceError: the file cannot be read, or has no picture in the span.
    """
    index = _examine(file, settings)
    if index.packets is not None and (packets := _packets(index, start, end)) is not None:
        wanted = select_packets(packets, start, end)
        with suppress(SourceUnreadableError):  # the packets do not fit the file's description; decoders tolerate that
            return write(path, index.packets, wanted)
    return _encode(path, _span(_pictures(index, start), start, end), start=start, end=end, fps=index.fps)


def cut_isolated(file: Path, path: Path, start: float, end: float, *, settings: SourceSettings) -> Clip:
    """Call :func:`cut` in a separate process; if that process dies, no file is left at or beside ``path``.

    Raises:
        OutputError: the disk is full or missing.
        SourceError: the file cannot be read, has no picture in the span, or its process died.
    """
    try:
        with TemporaryDirectory(prefix=f".{path.stem}-", suffix=".partial", dir=path.parent) as folder:
            written = Path(folder) / "clip.mp4"
            clip = run_isolated(cut, file, written, start, end, settings, settings=settings)
            written.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    return clip


def _examine(file: Path, settings: SourceSettings = _SETTINGS) -> _FileIndex:
    with _open(file, settings) as (container, stream):
        packets = PacketStream.of(stream)
        margins = (*_MARGINS, None) if container.format.name in _INDEXED else (None,)
        fps = float(stream.average_rate) if stream.average_rate else None
        reader = Reader(container, stream, address=Address.of(file), read_timeout=_SETTINGS.read_timeout)
        origin = next((picture.time or 0.0 for picture, _ in reader), 0.0)
    return _FileIndex(file, origin, margins, packets if is_playable(packets) else None, fps, settings)


@contextmanager
def _open(file: Path, settings: SourceSettings) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open the file like the source does, at its beginning."""
    address = Address.of(file)
    options = {"pattern_type": "none"}
    with open_container(f"file:{file}", address=address, settings=_SETTINGS, options=options) as container:
        stream, _ = choose_video(container, settings, name=address.name)
        if stream is None or not stream.codec_context:
            raise SourceUnreadableError(f"{address.name}: holds no picture that can be decoded; choose a video")
        require_whole(stream, address)
        yield container, stream


def _seek(container: InputContainer, stream: VideoStream, time: float) -> None:
    """Seek to a key frame at or before ``time`` (the file's own clock); stay at the beginning if seeking fails."""
    if stream.time_base:
        with suppress(FFmpegError):
            container.seek(round(time / stream.time_base), stream=stream)


def _packets(index: _FileIndex, start: float, end: float) -> list[TimedPacket] | None:
    """The packets of the span from a key frame on; None if timestamps are missing or restart."""
    found: list[TimedPacket] | None = None
    for margin in index.margins:
        found = _read(index, start, end, margin=margin)
        if found is None or any(packet.is_key and packet.media_time <= start + _TOLERANCE for packet in found):
            break
    return found


def _read(index: _FileIndex, start: float, end: float, *, margin: float | None) -> list[TimedPacket] | None:
    found: list[TimedPacket] = []
    newest, wanted = -inf, end  # media times; pictures shown before a needed reference picture are needed too
    with _open(index.file, index.settings) as (container, stream):
        if margin is not None:
            _seek(container, stream, index.origin + start - margin)
        try:
            for packet, shown, decoded in _order_packets(container.demux(stream)):
                progress.report()
                time = shown - index.origin
                if packet.is_keyframe and time <= start + _TOLERANCE:
                    found.clear()
                found.append(TimedPacket(bytes(packet), packet.is_keyframe, time))
                newest = max(newest, time)
                if time <= wanted + _TOLERANCE:
                    wanted = max(wanted, newest)
                if decoded - index.origin > wanted + _TOLERANCE:
                    break
        except (FFmpegError, ValueError):  # damaged or unordered packets; the decoder handles them
            return None
    return found


def _order_packets(packets: Iterable[Packet[VideoStream]]) -> Iterator[tuple[Packet[VideoStream], float, float]]:
    """Packets with their presentation time and decoding time (-inf: unknown), seconds on the file's own clock.

    Raises:
        ValueError: a presentation time is missing, or the timestamps restart.
    """
    last: float | None = None
    for packet in packets:
        if not packet.size:
            continue
        if packet.pts is None:
            raise ValueError("a packet without a timestamp")
        decoded = -inf
        if packet.dts is not None:
            decoded = float(packet.dts * packet.time_base)
            if last is not None and not -RESET <= decoded - last < LEAP:
                raise ValueError("timestamps that restart")
            last = decoded
        yield packet, float(packet.pts * packet.time_base), decoded


def _pictures(index: _FileIndex, start: float) -> Iterator[_TimedPicture]:
    """Decoded pictures, from one at or before ``start`` if there is one."""
    if index.margins == (None,):
        with open_source(index.file, index.settings) as source:
            yield from (_TimedPicture(frame.pixels, frame.media_time) for frame in source)
        return
    for margin in index.margins:
        begun = False
        for picture in _decode(index, start, margin=margin):
            if not begun and margin is not None and picture.media_time > start + _TOLERANCE:
                break
            begun = True
            yield picture
        if begun:
            return


def _decode(index: _FileIndex, start: float, *, margin: float | None) -> Iterator[_TimedPicture]:
    with _open(index.file, index.settings) as (container, stream):
        orientation = Orientation()
        if margin is not None:
            _seek(container, stream, index.origin + start - margin)
        reader = Reader(container, stream, address=Address.of(index.file), read_timeout=_SETTINGS.read_timeout)
        for picture, _ in reader:
            if picture.time is not None:
                with suppress(ValueError):  # no conversion to RGB; such a picture was not analysed either
                    pixels = rgb(picture, aspect=reader.aspect.of(picture), orientation=orientation)
                    yield _TimedPicture(pixels, picture.time - index.origin)


def _span(pictures: Iterator[_TimedPicture], start: float, end: float) -> Iterator[_TimedPicture]:
    """The pictures from the one visible at ``start`` to the last one at or before ``end``."""
    before: _TimedPicture | None = None
    for picture in pictures:
        if picture.media_time > start + _TOLERANCE:
            shown = chain([picture] if before is None else [before, picture], pictures)
            yield from takewhile(lambda picture: picture.media_time <= end + _TOLERANCE, shown)
            return
        before = picture
    if before is not None and before.media_time < start - _TOLERANCE:
        raise missing_span_error(start, end, available=(0.0, before.media_time))
    if before is not None:
        yield before


def _encode(path: Path, pictures: Iterable[_TimedPicture], *, start: float, end: float, fps: float | None) -> Clip:
    first: float | None = None
    last = start
    with VideoWriter(path, fps=fps) as video:
        for pixels, media_time in pictures:
            first = media_time if first is None else first
            last = media_time
            video.write(pixels, media_time - first)
    if first is None:  # the first picture of a file is at 0
        raise missing_span_error(start, end, available=(0.0, last))
    return Clip(first, last, reencoded=True)
