"""Small real media, made with PyAV as tests need them."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Colorspace

from monitor.types import Pixels

RED, BLUE = (220, 30, 30), (30, 30, 220)

# Quiet and quick; libx265 prints to stderr unless it is told not to.
_ENCODERS = {
    "libx264": {"preset": "ultrafast", "crf": "16", "threads": "1"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=1:frame-threads=1"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "20"},
}


@contextmanager
def _same_scheduling() -> Iterator[None]:
    """libsvtav1, if root opens it, makes the calling thread a real-time one, which starves all others: undone here."""
    if not hasattr(os, "sched_setscheduler"):  # not on Linux
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def picture(number: int, size: tuple[int, int] = (160, 120)) -> Pixels:
    """RGB, above a grey that tells ``number`` (0 to 59), below red on the left, blue on the right."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2] = 8 + 4 * number
    pixels[height // 2 :, : width // 2] = RED
    pixels[height // 2 :, width // 2 :] = BLUE
    return pixels


def number_of(pixels: Pixels) -> int:
    """The number of an upright :func:`picture`, after lossy coding."""
    return round((float(pixels[: max(1, pixels.shape[0] // 3)].mean()) - 8) / 4)


def video(
    path: Path,
    *,
    codec: str = "libx264",
    frames: int = 12,
    size: tuple[int, int] = (160, 120),
    pixel_format: str = "yuv420p",
    times: Sequence[float] | None = None,
    turned: tuple[float, bool] | None = None,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    muxing: dict[str, str] | None = None,
    sound: bool = False,
) -> Path:
    """A video of :func:`picture` 0, 1, 2, ... at 25 frames per second.

    Args:
        path: its suffix chooses the container.
        codec: FFmpeg's name of an encoder.
        frames: how many pictures.
        size: width, height.
        pixel_format: FFmpeg's name.
        times: seconds at which they are shown, if not evenly.
        turned: degrees counter-clockwise and whether mirrored, for the display matrix.
        aspect: width over height of a pixel.
        options: further ones, for the encoder.
        muxing: options for the container.
        sound: whether a silent sound track is added.
    """
    with _same_scheduling(), av.open(str(path), "w", container_options=muxing or {}) as out:
        stream = out.add_stream(codec, rate=25, options={**_ENCODERS.get(codec, {}), **(options or {})})
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if turned is not None:
            stream.set_display_rotation(turned[0], hflip=turned[1])
        track = out.add_stream("aac", rate=44_100) if sound else None
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number, size), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[number] * 1000), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        if track is not None:
            _silence(out, track)
    return path


def coded(path: Path, pixels: np.ndarray, *, matrix: int, transfer: int, primaries: int, frames: int = 2) -> Path:
    """A video of one picture with these colour tags (FFmpeg's numbers; 2: none).

    Args:
        path: its suffix chooses the container.
        pixels: (H, W, 3) RGB as coded: uint8, written with 8 bits, or uint16, written with 10 bits.
        matrix: from RGB to YUV; without a tag that of BT.709.
        transfer: of the light.
        primaries: of the light.
        frames: how many pictures.
    """
    deep = pixels.dtype == np.uint16
    rgb = av.VideoFrame.from_ndarray(pixels, format="rgb48le" if deep else "rgb24")
    space = Colorspace.BT2020 if matrix == 9 else Colorspace.ITU709
    with av.open(str(path), "w") as out:
        options = _ENCODERS["libx265"]
        parameters = f"{options['x265-params']}:bframes=0"  # few pictures with B-frames get invalid time stamps
        stream = out.add_stream("libx265", rate=25, options={**options, "crf": "4", "x265-params": parameters})
        stream.height, stream.width = pixels.shape[:2]
        stream.pix_fmt = "yuv444p10le" if deep else "yuv444p"
        codec = stream.codec_context
        codec.color_range, codec.colorspace, codec.color_trc, codec.color_primaries = 1, matrix, transfer, primaries
        for _ in range(frames):
            frame = rgb.reformat(format=stream.pix_fmt, dst_colorspace=space)
            frame.colorspace = matrix
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def joined(path: Path, *, frames: int) -> Path:
    """A recording twice in one file (a transport stream): its time stamps run back once."""
    video(path, codec="mpeg2video", frames=frames)
    path.write_bytes(path.read_bytes() * 2)
    return path


def silence(path: Path) -> Path:
    """A file with sound and no picture."""
    with av.open(str(path), "w") as out:
        _silence(out, out.add_stream("aac", rate=44_100))
    return path


def _silence(out: av.container.OutputContainer, track: av.AudioStream) -> None:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 22_050), np.float32), format="fltp", layout="mono")
    frame.rate, frame.pts = 44_100, 0
    out.mux(track.encode(frame))
    out.mux(track.encode())
