"""Writes ``annotated.mp4``: the annotated frames with the source's timing and sound, playable in any browser."""

import contextlib
import logging
import secrets
from fractions import Fraction
from pathlib import Path
from typing import Final, Self

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from monitor.errors import OutputError, SourceError
from monitor.media.remux import TICKS
from monitor.media.soundtrack import add_sound
from monitor.media.worker.task import run_isolated
from monitor.settings import SourceSettings
from monitor.system.files import write_error
from monitor.types import Pixels

_ENCODER: Final = "libx264"
_OPTIONS = {"preset": "superfast", "crf": "23"}  # 40 % less CPU than veryfast at the same PSNR, files a fifth larger
_THREADS = 2  # fixed, because x264's output depends on it
_KEYFRAME_EVERY = 2  # seconds; viewers often seek in these videos
_UNKNOWN_FPS = 25
_COLOURS = (1, 6, 1, 1)  # H.264's names: limited range, BT.601 matrix (OpenCV's), BT.709 primaries and transfer
_SETTINGS: Final = SourceSettings()
_log = logging.getLogger(__name__)


class VideoWriter:
    """An H.264 mp4 (yuv420p, index at the front) that appears at ``path`` when it is complete.

    Each picture is shown at its media time, so a variable frame rate stays variable. ``close()`` adds the sound of
    ``audio_from``, in sync and cut at the end of the pictures; a separate process reads it. Unreadable sound is skipped
    and logged. The first picture sets the size, padded to even numbers; pictures of another size are scaled to fit.

    Args:
        path: the mp4; until ``close()`` the data is in a hidden file beside it.
        fps: average frames per second, for rate control and the last picture's duration.
        audio_from: a local file whose sound is added, if it has any.
        source: settings for reading that file.

    Raises:
        OutputError: the file cannot be created, or PyAV has no H.264 encoder.
    """

    def __init__(
        self,
        path: Path,
        *,
        fps: float | None,
        audio_from: Path | None = None,
        source: SourceSettings = _SETTINGS,
    ) -> None:
        if _ENCODER not in av.codecs_available:
            raise OutputError(
                f"{path} cannot be written: this PyAV has no libx264; install its own wheel (pip install av)"
            )
        self._path = path
        self._partial = _partial_path(path)
        self._rate = Fraction(fps or _UNKNOWN_FPS).limit_denominator(1001)
        self._audio_from, self._source = audio_from, source
        self._stream: VideoStream | None = None
        self._last = -1  # ticks
        try:
            self._partial.touch(exist_ok=False)  # FFmpeg would open the file only with the first picture
            self._output = av.open(self._partial, "w", format="mp4", options={"movflags": "+faststart"})
        except OSError as error:
            raise write_error(path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(self, pixels: Pixels, media_time: float) -> None:
        """Add one picture.

        Args:
            pixels: (H, W, 3) RGB.
            media_time: seconds from the first picture of the source; increasing.

        Raises:
            OutputError: the disk is full or missing; the partial file is deleted.
        """
        try:
            stream = self._stream or self._start(pixels)
            planes = cv2.cvtColor(_fit(pixels, stream.width, stream.height), cv2.COLOR_RGB2YUV_I420)
            picture = av.VideoFrame.from_ndarray(np.asarray(planes, np.uint8), format="yuv420p")
            picture.pts = self._last = max(round(media_time * TICKS), self._last + 1)
            picture.time_base = Fraction(1, TICKS)
            self._output.mux(stream.encode(picture))
        except (OSError, av.FFmpegError) as error:
            self.abort()
            raise write_error(self._path, error) from error

    def close(self) -> None:
        """Finish the file and rename it to ``path``; without a picture, no file is written.

        Raises:
            OutputError: the disk is full or missing; the partial file is deleted.
        """
        if self._stream is None:
            self.abort()
            return
        try:
            self._output.mux(self._stream.encode(None))
            self._output.close()
            if self._audio_from is not None:
                self._add_sound(self._audio_from)
            self._partial.replace(self._path)
        except (OSError, av.FFmpegError) as error:
            raise write_error(self._path, error) from error
        finally:
            self.abort()

    def abort(self) -> None:
        """Delete the partial file."""
        with contextlib.suppress(OSError, av.FFmpegError):  # a full disk fails here once more
            self._output.close()
        self._partial.unlink(missing_ok=True)

    def _start(self, pixels: Pixels) -> VideoStream:
        """Create the stream with the size of the first picture."""
        height, width = pixels.shape[:2]
        stream = self._output.add_stream(_ENCODER, rate=self._rate, options=_OPTIONS)
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = "yuv420p"
        codec = stream.codec_context
        codec.time_base = Fraction(1, TICKS)
        codec.thread_count = _THREADS
        codec.gop_size = max(1, round(_KEYFRAME_EVERY * self._rate))
        codec.color_range, codec.colorspace, codec.color_primaries, codec.color_trc = _COLOURS
        self._stream = stream
        return stream

    def _add_sound(self, audio_from: Path) -> None:
        """Replace the silent video by one with sound, if the sound can be read."""
        with_sound, end = _partial_path(self._path), float(self._last / TICKS + 1 / self._rate)
        try:
            skip_reason = run_isolated(add_sound, audio_from, self._partial, with_sound, end, settings=self._source)
            with_sound.replace(self._partial)
            if skip_reason:
                _log.warning("%s", skip_reason)
        except SourceError as error:
            _log.warning("%s; the annotated video has no sound", error)
        finally:
            with_sound.unlink(missing_ok=True)


def _partial_path(path: Path) -> Path:
    """A new hidden name beside ``path`` for an incomplete file."""
    return path.with_name(f".{path.stem}-{secrets.token_hex(4)}.partial")


def _fit(pixels: Pixels, width: int, height: int) -> Pixels:
    """Fit a picture to that size: an odd edge is repeated, another size is scaled onto black."""
    high, wide = pixels.shape[:2]
    right, below = width - wide, height - high
    if right in (0, 1) and below in (0, 1):
        return np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge") if right or below else pixels
    scale = min(width / wide, height / high)
    wide, high = max(1, round(wide * scale)), max(1, round(high * scale))
    canvas = np.zeros((height, width, 3), np.uint8)
    left, top = (width - wide) // 2, (height - high) // 2
    canvas[top : top + high, left : left + wide] = cv2.resize(pixels, (wide, high), interpolation=cv2.INTER_AREA)
    return canvas
