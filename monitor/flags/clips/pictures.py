"""The last seconds of a source as JPEGs: for those without packets that a browser plays."""

import threading
from collections import deque
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np

from monitor.media.clip import Clip, missing_span_error
from monitor.media.video_writer import VideoWriter
from monitor.system import jpeg
from monitor.types import Frame, Pixels

_QUALITY: Final = 90  # of 100
_WIDEST, _TALLEST = 1280, 8192  # pixels


class _KeptPicture(NamedTuple):
    jpeg: bytes
    media_time: float


class PictureRing:
    """Fed by one thread, some milliseconds a frame; saved from any.

    Args:
        seconds: of media time, not exceeded.
        max_bytes: of JPEGs, not exceeded.
    """

    def __init__(self, *, seconds: float, max_bytes: int) -> None:
        self._seconds, self._max_bytes = seconds, max_bytes
        self._kept: deque[_KeptPicture] = deque()
        self._size = 0
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes of JPEGs that are kept now."""
        return self._size

    @property
    def span(self) -> tuple[float, float] | None:
        """Media time of the first and the last picture that are kept now, seconds; None if there are none."""
        with self._lock:
            return (self._kept[0].media_time, self._kept[-1].media_time) if self._kept else None

    def add(self, frame: Frame) -> None:
        """Keep a JPEG of it, at most 1280 pixels wide."""
        kept = _KeptPicture(_jpeg(frame.pixels), frame.media_time)
        with self._lock:
            self._kept.append(kept)
            self._size += len(kept.jpeg)
            while self._kept and (
                self._size > self._max_bytes or self._kept[0].media_time < frame.media_time - self._seconds
            ):
                self._size -= len(self._kept.popleft().jpeg)

    def save(self, path: Path, start: float, end: float) -> Clip:
        """Encode the pictures from the one shown at ``start`` up to ``end`` as an H.264 mp4.

        Args:
            path: until it is whole, a hidden file beside it.
            start: media time, seconds.
            end: the same.

        Raises:
            OutputError: the disk is full or gone, or PyAV has no H.264 encoder.
            SourceError: nothing of the span is there, any more or yet.
        """
        with self._lock:
            kept = list(self._kept)
        begin = max((one.media_time for one in kept if one.media_time <= start), default=start)
        wanted = [one for one in kept if begin <= one.media_time <= end]
        if not wanted or kept[-1].media_time < start:
            raise missing_span_error(start, end, available=(kept[0].media_time, kept[-1].media_time) if kept else None)
        first, last = wanted[0].media_time, wanted[-1].media_time
        with VideoWriter(path, fps=(len(wanted) - 1) / (last - first) if last > first else None) as video:
            for content, media_time in wanted:
                video.write(jpeg.decode(content), media_time - first)
        return Clip(first, last, reencoded=True)


def _jpeg(pixels: Pixels) -> bytes:
    while pixels.shape[1] > _WIDEST or pixels.shape[0] > _TALLEST:
        half = (max(1, pixels.shape[1] // 2), max(1, pixels.shape[0] // 2))
        pixels = np.asarray(cv2.resize(pixels, half, interpolation=cv2.INTER_AREA), np.uint8)
    return jpeg.encode(pixels, quality=_QUALITY)
