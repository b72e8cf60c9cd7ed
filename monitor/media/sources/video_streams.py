"""Chooses one of several video streams of a container, and says which ones were not looked at."""

from av.container import InputContainer
from av.stream import Discard
from av.video.stream import VideoStream

from monitor.settings import SourceSettings

PLAYLISTS = ("hls", "dash")  # formats that offer one video in several variants


def choose_video(container: InputContainer, settings: SourceSettings) -> tuple[VideoStream | None, str]:
    """The video stream to decode, and a note that names the choice; "": there was none.

    Of a playlist with several variants: the largest one up to ``max_variant_height``, and of equal ones that with the
    highest bit rate. If all are larger, the smallest one. The other variants are not downloaded.
    """
    if not container.format.name.startswith(PLAYLISTS):
        best = container.streams.best("video")
        return best if isinstance(best, VideoStream) else None, ""
    variants = [stream for stream in container.streams.video if stream.codec_context]
    if len(variants) < 2:
        return next(iter(variants), None), ""
    limit = settings.max_variant_height
    fitting = [stream for stream in variants if 0 < _lines(stream) <= limit]
    chosen = max(fitting, key=_size) if fitting else min(variants, key=_size)
    for stream in container.streams:
        if stream.index != chosen.index:
            stream.discard = Discard.all
    offered = ", ".join(_describe(stream) for stream in sorted(variants, key=_size))
    return chosen, (
        f"offered in {len(variants)} variants ({offered}), of which {_describe(chosen)} was taken: "
        f"{f'the largest up to {limit} lines' if fitting else f'the smallest, all have more than {limit} lines'} "
        "(setting source.max_variant_height)"
    )


def _lines(stream: VideoStream) -> int:
    """The shorter side, pixels: a portrait picture of 1080 x 1920 counts as 1080 lines."""
    return min(stream.codec_context.width, stream.codec_context.height)


def _size(stream: VideoStream) -> tuple[int, int]:
    """Pixels, then bits per second."""
    return stream.codec_context.width * stream.codec_context.height, _bit_rate(stream)


def _bit_rate(stream: VideoStream) -> int:
    text = stream.metadata.get("variant_bitrate", "")
    return int(text) if text.isdecimal() else 0


def _describe(stream: VideoStream) -> str:
    rate = _bit_rate(stream)
    size = f"{stream.codec_context.width} x {stream.codec_context.height}"
    return f"{size} at {rate / 1e6:.1f} Mbit/s" if rate else size
