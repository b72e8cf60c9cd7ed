"""The benchmark's clips: H.264, 720 lines, generated so that anybody can repeat a measurement."""

import math
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path

import cv2
import numpy as np

from monitor.media.sources import demo_portrait, open_source
from monitor.media.video_writer import VideoWriter
from monitor.settings import SourceSettings
from monitor.types import Pixels

_WIDTH, _LINES, _FPS = 1280, 720, 25
_PEOPLE = ((40, 20, 0.80), (470, 0, 0.90), (880, 30, 0.75), (180, 340, 0.70), (690, 330, 0.80))  # x, y, scale
_TILE = 80  # pixels
_ALONE = 8  # the demo's second person joins after an eighth of its length


def one_face_clip(path: Path, *, seconds: int) -> Path:
    """The speaker of ``demo:``, alone, at 25 frames per second."""
    with open_source("demo:", SourceSettings(demo_seconds=seconds * _ALONE)) as source:
        alone = takewhile(lambda frame: frame.media_time < seconds, source)
        return _written(path, ((frame.pixels, frame.media_time) for frame in alone), fps=_FPS)


def crowd_clip(path: Path, *, seconds: int, people: int = len(_PEOPLE)) -> Path:
    """Five people or fewer, each moving slowly in their own way."""
    return _written(path, _crowd(seconds * _FPS, people=people), fps=_FPS)


def empty_clip(path: Path, *, seconds: int) -> Path:
    """The one-face clip with its tiles in another order: nobody is there, and much that moves."""
    order = np.random.default_rng(0).permutation(_LINES // _TILE * (_WIDTH // _TILE))
    shape = (_LINES // _TILE, _TILE, _WIDTH // _TILE, _TILE, 3)

    def shuffled(pixels: Pixels) -> Pixels:
        tiles = pixels.reshape(shape).swapaxes(1, 2).reshape(-1, _TILE, _TILE, 3)[order]
        return tiles.reshape(shape[0], shape[2], _TILE, _TILE, 3).swapaxes(1, 2).reshape(pixels.shape)

    with open_source(one_face_clip(path.with_name(f"face-{path.name}"), seconds=seconds)) as source:
        return _written(path, ((shuffled(frame.pixels), frame.media_time) for frame in source), fps=_FPS)


def scaled_clip(video: Path, path: Path, *, seconds: int) -> Path:
    """The first seconds of a video at 720 lines; a shorter video is played forwards and backwards.

    Raises:
        SourceError: it cannot be read.
    """
    with open_source(video) as source:
        fps = source.info.fps or _FPS
        wanted = round(seconds * fps)
        pictures = [_scaled(frame.pixels) for frame, _ in zip(source, range(wanted), strict=False)]
    there_and_back = [*pictures, *pictures[-2:0:-1]]
    repeated = (there_and_back[index % len(there_and_back)] for index in range(wanted))
    return _written(path, ((pixels, index / fps) for index, pixels in enumerate(repeated)), fps=fps)


def _crowd(frames: int, *, people: int) -> Iterator[tuple[Pixels, float]]:
    backdrop = np.full((_LINES, _WIDTH, 3), (52, 56, 64), np.uint8)
    for index in range(frames):
        time = index / _FPS
        pixels = backdrop.copy()
        for person, (x, y, scale) in enumerate(_PEOPLE[:people]):
            picture = (demo_portrait.genuine, demo_portrait.companion)[person % 2]()[:330, 60:420]
            right, down = 12 * math.sin(time / 1.3 + person), 5 * math.sin(time / 0.9 + 2 * person)
            moved = np.array(((scale, 0, x + right), (0, scale, y + down)))
            cv2.warpAffine(picture, moved, (_WIDTH, _LINES), dst=pixels, borderMode=cv2.BORDER_TRANSPARENT)
        yield pixels, time


def _scaled(pixels: Pixels) -> Pixels:
    width = round(pixels.shape[1] * _LINES / pixels.shape[0] / 2) * 2
    return np.asarray(cv2.resize(pixels, (width, _LINES), interpolation=cv2.INTER_AREA), np.uint8)


def _written(path: Path, pictures: Iterable[tuple[Pixels, float]], *, fps: float) -> Path:
    with VideoWriter(path, fps=fps) as video:
        for pixels, media_time in pictures:
            video.write(pixels, media_time)
    return path
