"""Frames from an FFmpeg container: the common part of files, streams and devices."""

import math
import time
from collections.abc import Iterator, Mapping
from itertools import chain, islice

import av
from av import VideoFrame
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from monitor.errors import SourceUnavailableError, SourceUnreadableError
from monitor.media.dolby_vision import require_base_layer
from monitor.media.failures import failure, too_large
from monitor.media.media_clock import LEAP, LIVE_LEAP, MediaClock
from monitor.media.packets import PacketListener
from monitor.media.rgb import Orientation, rgb
from monitor.media.sources.address import Address
from monitor.media.sources.heic import PICTURE_BRANDS
from monitor.media.sources.reader import Arrival, Reader
from monitor.media.sources.source import Source
from monitor.media.sources.video_streams import choose_video
from monitor.media.tone_mapping import colour_note
from monitor.settings import SourceSettings
from monitor.types import Frame, SourceInfo

BROKEN_TIME = "break in the timestamps"
FALLBACK_FPS = 25.0  # for a source without a frame rate; FFmpeg's own default for image sequences
_MAX_FPS = 1000.0  # a higher rate is really a time base
_TEXT_FORMATS = {"tty", "bin", "xbin", "adf", "idf"}  # FFmpeg renders any text file as terminal output
_UNTIMED = {"mpjpeg"}  # formats without timestamps; the arrival time is the only clock


def open_container(
    file: str,
    *,
    address: Address,
    settings: SourceSettings,
    format_name: str | None = None,
    options: Mapping[str, str] | None = None,
) -> InputContainer:
    """Open a container with one thread, a pixel limit and, for sources other than files, time-outs.

    Raises:
        SourceError: the container cannot be opened.
    """
    timeout = None if address.kind.is_path else (settings.open_timeout, settings.read_timeout)
    every = {"threads": "1", **_limit(settings.max_pixels)}
    try:
        return av.open(
            file, "r", format_name, options={**every, **(options or {})}, timeout=timeout, metadata_errors="replace"
        )
    except (FFmpegError, ValueError) as error:  # ValueError: this FFmpeg was built without the format
        raise failure(error, address) from None


def open_container_source(
    container: InputContainer, *, address: Address, settings: SourceSettings, live: bool, note: str = ""
) -> "ContainerSource":
    """A source of the frames of a container's main video stream.

    The first picture (of a file, the first two) is decoded here, because headers lack some properties.

    Raises:
        SourceError: the container has no picture, or a picture is too large; the container is closed.
    """
    try:
        stream, choice = _main_stream(container, address, settings)
        reader = Reader(container, stream, address=address, read_timeout=settings.read_timeout, live=live)
        pictures = iter(reader)
        ahead = _first(pictures, 1 if live else 2, address=address)
        require_base_layer(stream.codec_context.codec_tag, ahead[0][0], name=address.name)
        height, width = _shape(ahead[0][0], aspect=reader.aspect.of(ahead[0][0]), address=address)
        still = not live and len(ahead) == 1 and not reader.drops
        fps = None if still else _rate(stream, live=live)
        duration = None if live or still else _duration(container, stream)
        info = SourceInfo(
            name=address.name,
            kind=_kind(address, still=still),
            live=live,
            width=width,
            height=height,
            fps=fps,
            duration=duration,
            frame_count=None if live else _count(stream, fps, duration),
            still=still,
            path=address.path,
            has_audio=bool(container.streams.audio),
            notes=tuple(filter(None, [_colour_note(ahead[0][0]), choice, note])),
        )
    except BaseException:
        container.close()
        raise
    untimed = live and container.format.name in _UNTIMED
    return ContainerSource(info, reader, pictures=chain(ahead, pictures), untimed=untimed)


class ContainerSource(Source):
    """The frames of one video stream."""

    def __init__(self, info: SourceInfo, reader: Reader, *, pictures: Iterator[Arrival], untimed: bool) -> None:
        super().__init__(info, reader.drops)
        self._reader = reader
        self._pictures = pictures
        self._index = 0
        self._orientation = Orientation()
        self._untimed = untimed
        self._clock = MediaClock(period=1 / (info.fps or FALLBACK_FPS), leap=LIVE_LEAP if info.live else LEAP)
        self._size = ""  # of the last picture, with square pixels

    def __iter__(self) -> Iterator[Frame]:
        for picture, arrived in self._pictures:
            if self._reader.closed:
                return
            aspect = self._reader.aspect.of(picture)
            self._check_size(picture, aspect=aspect)
            media_time = self._clock.read(time.monotonic() if self._untimed else picture.time)
            index, self._index = self._index, self._index + 1
            if self._clock.breaks:
                self._drops[BROKEN_TIME] = self._clock.breaks
            self._reader.report(picture, media_time=media_time)
            if not self.frame_skipper.takes(media_time):
                continue
            try:
                pixels = rgb(picture, aspect=aspect, orientation=self._orientation)
            except ValueError:
                self._drops["unconvertible picture"] += 1
                continue
            yield Frame(
                pixels=pixels,
                index=index,
                media_time=media_time,
                captured_at=arrived,
                source=self.info.name,
            )

    @property
    def disordered(self) -> int:
        return 0 if self._untimed else self._clock.disordered

    def _check_size(self, picture: VideoFrame, *, aspect: float) -> None:
        """Check that a live stream keeps its picture size; a file may change it.

        Raises:
            SourceUnavailableError: the size of a live stream changed, so the stream must be opened again.
        """
        size, before = f"{round(picture.width * aspect)} x {picture.height}", self._size
        if self.info.live and before not in ("", size):
            raise SourceUnavailableError(
                f"{self.info.name}: its pictures changed from {before} to {size} pixels; it is opened again"
            )
        self._size = size

    def tap(self, listener: PacketListener) -> bool:
        return self._reader.tap(listener)

    def close(self) -> None:
        self._reader.close()


def _kind(address: Address, *, still: bool) -> str:
    if not address.kind.is_path:
        return address.kind.name
    return "image" if still else "file"


def _first(pictures: Iterator[Arrival], count: int, *, address: Address) -> list[Arrival]:
    ahead = list(islice(pictures, count))
    if not ahead:
        raise SourceUnreadableError(f"{address.name}: not one of its pictures can be decoded; is it complete?")
    return ahead


def _shape(picture: VideoFrame, *, aspect: float, address: Address) -> tuple[int, int]:
    """Height and width of the upright picture."""
    try:
        height, width, _ = rgb(picture, aspect=aspect).shape
    except ValueError as error:
        raise SourceUnreadableError(
            f"{address.name}: FFmpeg cannot turn its pixels ({error}) into RGB; convert it to H.264"
        ) from None
    return height, width


def _colour_note(picture: VideoFrame) -> str:
    return colour_note(picture.color_trc, picture.color_primaries)


def _main_stream(container: InputContainer, address: Address, settings: SourceSettings) -> tuple[VideoStream, str]:
    """The stream that a player would show, ready to decode, and a note on the choice; cover art does not count."""
    stream, choice = choose_video(container, settings, name=address.name)
    max_pixels = settings.max_pixels
    if (
        stream is None or stream.disposition & Disposition.attached_pic or not stream.codec_context
    ):  # no context: FFmpeg has no decoder
        raise SourceUnreadableError(f"{address.name}: {_without_picture(container)}")
    if container.format.name in _TEXT_FORMATS:
        raise SourceUnreadableError(f"{address.name}: is text; choose a video or an image")
    require_whole(stream, address)
    decoder = stream.codec_context
    if decoder.width * decoder.height > max_pixels:
        raise too_large(address, (decoder.width, decoder.height), max_pixels=max_pixels)
    decoder.thread_count = 1
    decoder.options = {**_limit(max_pixels)}
    return stream, choice


def require_whole(stream: VideoStream, address: Address) -> None:
    """Check that a stream is not one tile of a larger picture: FFmpeg's Python interface does not join tiles.

    Raises:
        SourceUnreadableError: it is, or may be.
    """
    if stream.container.metadata.get("major_brand") in PICTURE_BRANDS or stream.disposition & Disposition.dependent:
        raise SourceUnreadableError(
            f"{address.name}: is a picture of parts that cannot be joined here; open it as a file"
        )


def _limit(max_pixels: int) -> dict[str, str]:
    """FFmpeg's own pixel limit, plus the padding that decoders add to both sides."""
    return {"max_pixels": str((math.isqrt(max_pixels) + 64) ** 2)}


def _without_picture(container: InputContainer) -> str:
    if any(not stream.disposition & Disposition.attached_pic for stream in container.streams.video):
        return "this FFmpeg cannot decode its pictures; convert it to H.264"
    return f"holds {'sound but ' if container.streams.audio else ''}no picture; choose a video or an image"


def _rate(stream: VideoStream, *, live: bool) -> float | None:
    rate = stream.average_rate or (None if live else stream.guessed_rate)
    return float(rate) if rate and 0 < rate <= _MAX_FPS else None


def _duration(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _count(stream: VideoStream, fps: float | None, duration: float | None) -> int | None:
    if duration is not None and fps is not None:
        return round(duration * fps)  # the header's number also counts frames that an edit list skips
    return stream.frames or None
