"""A span of a local file, straight from the file."""

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
from monitor.media.clip import Clip, gone
from monitor.media.media_clock import LEAP, RESET
from monitor.media.packets import PacketStream
from monitor.media.remux import TimedPacket, chosen, is_playable, write
from monitor.media.rgb import Orientation, pixel_aspect, rgb
from monitor.media.sources import open_source
from monitor.media.sources.address import Address
from monitor.media.sources.container import open_container
from monitor.media.sources.reader import Reader
from monitor.media.video_writer import VideoWriter
from monitor.media.worker.task import run_isolated
from monitor.settings import SourceSettings
from monitor.system.files import unwritable
from monitor.types import Pixels

# Others have no index (a search lands anywhere), or timestamps that lie or start anew: read from their beginning.
_INDEXED: Final = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}
_MARGINS: Final = (1.0, 8.0, 64.0)  # seconds that are read before a span, until there is a key frame among them
_NEAR: Final = 1e-6  # seconds: two sums that mean the same moment
_SETTINGS: Final = SourceSettings()


class _Film(NamedTuple):
    """What has to be known of a file before it is searched."""

    file: Path
    origin: float  # when its first picture is shown, seconds on the file's own clock
    margins: tuple[float | None, ...]  # how far before a span to begin, seconds; None: at the file's beginning
    packets: PacketStream | None  # None: no browser plays its packets from an mp4
    fps: float | None  # on average


class _FilmPicture(NamedTuple):
    pixels: Pixels
    media_time: float


def cut(file: Path, path: Path, start: float, end: float) -> Clip:
    """Write the pictures of ``file`` from ``start`` to ``end`` as an mp4.

    Those that a browser plays are copied, from the last key frame at or before ``start``; others are encoded as H.264,
    from the picture that is shown at ``start``.

    Args:
        file: a video.
        path: of the mp4; copied pictures are written there at once, encoded ones until then to a hidden file beside it.
        start: media time, seconds since the first picture.
        end: the same.

    Raises:
        OutputError: the disk is full or gone.
        SourceError: the file cannot be read, or has nothing of that span.
    """
    film = _examined(file)
    if film.packets is not None and (packets := _packets(film, start, end)) is not None:
        wanted = chosen(packets, start, end)
        with suppress(SourceUnreadableError):  # a file that says wrong things of its packets: decoders mind less
            return write(path, film.packets, wanted)
    return _encode(path, _span(_pictures(film, start), start, end), start=start, end=end, fps=film.fps)


def cut_isolated(file: Path, path: Path, start: float, end: float, *, settings: SourceSettings) -> Clip:
    """The same in a process of its own; if that dies, nothing is left at or beside ``path``.

    Raises:
        OutputError: the disk is full or gone.
        SourceError: the file cannot be read, has nothing of that span, or its process died.
    """
    try:
        with TemporaryDirectory(prefix=f".{path.stem}-", suffix=".partial", dir=path.parent) as folder:
            written = Path(folder) / "clip.mp4"
            clip = run_isolated(cut, file, written, start, end, settings=settings)
            written.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    return clip


def _examined(file: Path) -> _Film:
    with _opened(file) as (container, stream):
        packets = PacketStream.of(stream)
        margins = (*_MARGINS, None) if container.format.name in _INDEXED else (None,)
        fps = float(stream.average_rate) if stream.average_rate else None
        reader = Reader(container, stream, address=Address.of(file), read_timeout=_SETTINGS.read_timeout)
        origin = next((picture.time or 0.0 for picture, _ in reader), 0.0)
    return _Film(file, origin, margins, packets if is_playable(packets) else None, fps)


@contextmanager
def _opened(file: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The file as the source opens it, at its beginning."""
    address = Address.of(file)
    options = {"pattern_type": "none"}
    with open_container(f"file:{file}", address=address, settings=_SETTINGS, options=options) as container:
        stream = container.streams.best("video")
        if not isinstance(stream, VideoStream) or not stream.codec_context:
            raise SourceUnreadableError(f"{address.name}: holds no picture that can be decoded; choose a video")
        yield container, stream


def _seek(container: InputContainer, stream: VideoStream, time: float) -> None:
    """Go to a key frame at or before ``time``, on the file's own clock; stay at the beginning if there is no way."""
    if stream.time_base:
        with suppress(FFmpegError):
            container.seek(round(time / stream.time_base), stream=stream)


def _packets(film: _Film, start: float, end: float) -> list[TimedPacket] | None:
    """At least those of the span, from a key frame on; None if their timestamps are missing or start anew."""
    found: list[TimedPacket] | None = None
    for margin in film.margins:
        found = _read(film, start, end, margin=margin)
        if found is None or any(packet.is_key and packet.media_time <= start + _NEAR for packet in found):
            break
    return found


def _read(film: _Film, start: float, end: float, *, margin: float | None) -> list[TimedPacket] | None:
    found: list[TimedPacket] = []
    newest, wanted = -inf, end  # media times: what is shown before a picture that has to be decoded is wanted, too
    with _opened(film.file) as (container, stream):
        if margin is not None:
            _seek(container, stream, film.origin + start - margin)
        try:
            for packet, shown, decoded in _in_order(container.demux(stream)):
                progress.report()
                time = shown - film.origin
                if packet.is_keyframe and time <= start + _NEAR:
                    found.clear()
                found.append(TimedPacket(bytes(packet), packet.is_keyframe, time))
                newest = max(newest, time)
                if time <= wanted + _NEAR:
                    wanted = max(wanted, newest)
                if decoded - film.origin > wanted + _NEAR:
                    break
        except (FFmpegError, ValueError):  # damaged, or without order: decoders find their way
            return None
    return found


def _in_order(packets: Iterable[Packet[VideoStream]]) -> Iterator[tuple[Packet[VideoStream], float, float]]:
    """Each with the seconds at which it is shown, and at which it is decoded (-inf: unknown), on the file's own clock.

    Raises:
        ValueError: one does not say when it is shown, or the timestamps start anew.
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
                raise ValueError("timestamps that start anew")
            last = decoded
        yield packet, float(packet.pts * packet.time_base), decoded


def _pictures(film: _Film, start: float) -> Iterator[_FilmPicture]:
    """Decoded ones, from one at or before ``start`` if there is any."""
    if film.margins == (None,):
        with open_source(film.file) as source:
            yield from (_FilmPicture(frame.pixels, frame.media_time) for frame in source)
        return
    for margin in film.margins:
        begun = False
        for picture in _decode(film, start, margin=margin):
            if not begun and margin is not None and picture.media_time > start + _NEAR:
                break
            begun = True
            yield picture
        if begun:
            return


def _decode(film: _Film, start: float, *, margin: float | None) -> Iterator[_FilmPicture]:
    with _opened(film.file) as (container, stream):
        aspect, orientation = pixel_aspect(stream), Orientation()
        if margin is not None:
            _seek(container, stream, film.origin + start - margin)
        reader = Reader(container, stream, address=Address.of(film.file), read_timeout=_SETTINGS.read_timeout)
        for picture, _ in reader:
            if picture.time is not None:
                with suppress(ValueError):  # no way from its pixels to RGB: it was not judged either
                    yield _FilmPicture(rgb(picture, aspect=aspect, orientation=orientation), picture.time - film.origin)


def _span(pictures: Iterator[_FilmPicture], start: float, end: float) -> Iterator[_FilmPicture]:
    """From the picture that is shown at ``start`` to the last one at or before ``end``.

    Raises:
        SourceError: they end before ``start``.
    """
    before: _FilmPicture | None = None
    for picture in pictures:
        if picture.media_time > start + _NEAR:
            shown = chain([picture] if before is None else [before, picture], pictures)
            yield from takewhile(lambda picture: picture.media_time <= end + _NEAR, shown)
            return
        before = picture
    if before is not None and before.media_time < start - _NEAR:
        raise gone(start, end, kept=(0.0, before.media_time))
    if before is not None:
        yield before


def _encode(path: Path, pictures: Iterable[_FilmPicture], *, start: float, end: float, fps: float | None) -> Clip:
    first: float | None = None
    last = start
    with VideoWriter(path, fps=fps) as video:
        for pixels, media_time in pictures:
            first = media_time if first is None else first
            last = media_time
            video.write(pixels, media_time - first)
    if first is None:  # the first picture of a file is at 0
        raise gone(start, end, kept=(0.0, last))
    return Clip(first, last, reencoded=True)
