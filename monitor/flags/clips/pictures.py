"""A ring buffer of JPEGs, for sources without packets that a browser plays."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from monitor.flags.clips.reservations import ClipReservation, ClipReservations
from monitor.media.clip import Clip, missing_span_error
from monitor.media.video_writer import VideoWriter
from monitor.system import jpeg
from monitor.types import Frame, Pixels

_QUALITY: Final = 90  # of 100
_WIDEST, _TALLEST = 1280, 8192  # pixels


@dataclass(frozen=True, slots=True, eq=False)
class _BufferedPicture:
    jpeg: bytes
    media_time: float

    @property
    def size(self) -> int:
        return len(self.jpeg)

    @property
    def begin(self) -> float:
        return self.media_time


class PictureRing:
    """A buffer fed by one thread, at some milliseconds a frame; any thread may reserve.

    Args:
        seconds: maximum length, media time.
        max_bytes: maximum size of the buffered JPEGs; those of all reserved clips have the same limit.
    """

    def __init__(self, *, seconds: float, max_bytes: int) -> None:
        self._seconds, self._max_bytes = seconds, max_bytes
        self._buffer: deque[_BufferedPicture] = deque()
        self._size = 0
        self._lock = threading.Lock()
        self._reservations = ClipReservations(max_bytes=max_bytes, write=_write)

    @property
    def size(self) -> int:
        """Bytes of the buffered JPEGs."""
        return self._size

    @property
    def span(self) -> tuple[float, float] | None:
        """Media time of the first and the last buffered picture, seconds; None if the buffer is empty."""
        with self._lock:
            return (self._buffer[0].media_time, self._buffer[-1].media_time) if self._buffer else None

    def add(self, frame: Frame) -> None:
        """Adds a frame as a JPEG of at most 1280 pixels width."""
        picture = _BufferedPicture(_encode(frame.pixels), frame.media_time)
        with self._lock:
            self._buffer.append(picture)
            self._size += len(picture.jpeg)
            while self._buffer and (
                self._size > self._max_bytes or self._buffer[0].media_time < frame.media_time - self._seconds
            ):
                self._size -= len(self._buffer.popleft().jpeg)
            self._reservations.extend(picture)
            self._reservations.close_before(frame.media_time)

    def reserve(self, *, start: float, moment: float, end: float) -> ClipReservation[_BufferedPicture]:
        """Reserves a clip from the last picture at or before ``start`` up to ``end``; its pictures may still arrive.

        Times are media time in seconds. ``moment`` is the last part of the clip that a full memory drops.
        """
        with self._lock:
            return self._reservations.add(list(self._buffer), start=start, moment=moment, end=end)


def _write(path: Path, pictures: Sequence[_BufferedPicture], start: float, end: float) -> Clip:
    """Encodes pictures as an H.264 mp4; a hidden file beside ``path`` until it is complete."""
    begin = max((picture.media_time for picture in pictures if picture.media_time <= start), default=start)
    selected = [picture for picture in pictures if begin <= picture.media_time <= end]
    if not selected or pictures[-1].media_time < start:
        raise missing_span_error(
            start, end, available=(pictures[0].media_time, pictures[-1].media_time) if pictures else None
        )
    first, last = selected[0].media_time, selected[-1].media_time
    with VideoWriter(path, fps=(len(selected) - 1) / (last - first) if last > first else None) as video:
        for picture in selected:
            video.write(jpeg.decode(picture.jpeg), picture.media_time - first)
    return Clip(first, last, reencoded=True)


def _encode(pixels: Pixels) -> bytes:
    while pixels.shape[1] > _WIDEST or pixels.shape[0] > _TALLEST:
        half = (max(1, pixels.shape[1] // 2), max(1, pixels.shape[0] // 2))
        pixels = np.asarray(cv2.resize(pixels, half, interpolation=cv2.INTER_AREA), np.uint8)
    return jpeg.encode(pixels, quality=_QUALITY)
