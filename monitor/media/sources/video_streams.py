"""Chooses one of several video streams of a container, and says which ones were not looked at."""

from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from monitor.errors import SourceUnreadableError
from monitor.settings import SourceSettings

PLAYLISTS = ("hls", "dash")  # formats that offer one video in several variants
# cover art, previews, tiles
_NO_TRACK = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.dependent


def choose_video(container: InputContainer, settings: SourceSettings, *, name: str) -> tuple[VideoStream | None, str]:
    """The video stream to decode, and a note that names the streams that are not looked at; "": there are none.

    Of a playlist with several variants: the largest one up to ``max_variant_height``, and of equal ones that with the
    highest bit rate. If all are larger, the smallest one. The other variants are not downloaded. Of several tracks:
    ``video_track``, else the one that a player shows.

    Raises:
        SourceUnreadableError: the container has no track with the number ``video_track``.
    """
    if container.format.name.startswith(PLAYLISTS):
        return _choose_variant(container, limit=settings.max_variant_height)
    tracks = [stream for stream in container.streams.video if not stream.disposition & _NO_TRACK]
    best = container.streams.best("video")
    chosen = best if isinstance(best, VideoStream) else None
    if settings.video_track is not None and tracks:
        if settings.video_track > len(tracks):
            raise SourceUnreadableError(
                f"{name}: has {len(tracks)} video track{'s' if len(tracks) > 1 else ''}, and the setting "
                f"source.video_track is {settings.video_track}; choose another track"
            )
        chosen = tracks[settings.video_track - 1]
    return chosen, "" if chosen is None else _name_others(tracks, chosen)


def _name_others(tracks: list[VideoStream], chosen: VideoStream) -> str:
    names = {track.index: f"track {number} ({_describe_track(track)})" for number, track in enumerate(tracks, 1)}
    if len(names) < 2 or chosen.index not in names:
        return ""
    own = names.pop(chosen.index)
    return (
        f"holds {len(tracks)} video tracks: only {own} was looked at, not {', '.join(names.values())} "
        "(setting source.video_track)"
    )


def _describe_track(track: VideoStream) -> str:
    decoder = track.codec_context
    size = f"{decoder.width} x {decoder.height}, {decoder.codec.canonical_name}" if decoder else "cannot be decoded"
    return ", ".join(filter(None, [size, track.metadata.get("title"), track.language]))


def _choose_variant(container: InputContainer, *, limit: int) -> tuple[VideoStream | None, str]:
    variants = [stream for stream in container.streams.video if stream.codec_context]
    if len(variants) < 2:
        return next(iter(variants), None), ""
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
