"""The shape of the pixels of a stream, which may change midway: DVB, joined recordings."""

from __future__ import annotations

from collections import deque
from fractions import Fraction

from av import VideoFrame
from av.packet import Packet
from av.video.stream import VideoStream

_LIMITS = (0.25, 4.0)  # of a plausible ratio; outside, the header is broken


def pixel_aspect(stream: VideoStream) -> float:
    """Width over height of one pixel: 1 unless the stream gives a plausible other value."""
    return _plausible(stream.sample_aspect_ratio)


class PixelAspect:
    """Width over height of one pixel, for each picture of a stream.

    The container's value counts if it has one of its own. Otherwise the decoder's does. The decoder changes it with
    the first packet of the new shape, a key frame, while it still holds earlier pictures; so the change counts from
    the next key frame that is shown. Call :meth:`update` after each decoded packet and :meth:`of` for each picture in
    its order.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._coded = stream.codec_context.sample_aspect_ratio  # the decoder's last value
        self._current = pixel_aspect(stream)
        self._is_fixed = self._current != _plausible(self._coded)  # by the container
        self._changes: deque[tuple[int | None, float]] = deque()  # timestamp and new value, not reached yet

    def update(self, packet: Packet[VideoStream]) -> None:
        """Note the decoder's value after a packet."""
        coded = self._stream.codec_context.sample_aspect_ratio
        if coded != self._coded and not self._is_fixed:
            self._changes.append((packet.pts, _plausible(coded)))
        self._coded = coded

    def of(self, picture: VideoFrame) -> float:
        """The value for a picture."""
        while self._changes and picture.key_frame and _is_reached(self._changes[0][0], picture.pts):
            self._current = self._changes.popleft()[1]
        return self._current


def _is_reached(since: int | None, pts: int | None) -> bool:
    return since is None or pts is None or pts >= since


def _plausible(aspect: Fraction | None) -> float:
    return float(aspect) if aspect and _LIMITS[0] <= aspect <= _LIMITS[1] else 1.0
