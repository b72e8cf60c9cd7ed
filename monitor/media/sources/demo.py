"""``demo:``, a built-in synthetic video call that needs no file and no camera.

One person talks to the camera (a still portrait, moved): genuine at first, then with a blended face, then genuine
again. A second, genuine person joins twice. A label says that the picture is synthetic; nothing else in the picture
correlates with the blended part. The same media time gives the same pixels.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from monitor.media.sources import demo_portrait
from monitor.media.sources.address import Address, SourceKind
from monitor.media.sources.source import Source
from monitor.settings import SourceSettings
from monitor.types import Frame, Pixels, SourceInfo

WIDTH, HEIGHT, FPS = 1280, 720, 25
_BACKGROUND = ((44, 48, 56), (26, 29, 35))  # RGB at the top and at the bottom
_EMPTY_SEAT = (58, 63, 73)
_CORNER = 14  # pixels
_NOISE = 2.5  # standard deviation of the sensor's noise, grey levels
_NOISE_STEPS = 32  # offsets of the noise pattern along each axis
_SEED = 1999
DEMO_FACE_BOX: Final = (66.0, 48.0, 249.0, 284.0)  # in each of the two demo_faces, as found by the face detector
_SECOND_PERSON = ((1 / 8, 7 / 24), (7 / 12, 5 / 6))  # fractions of the stream


class DemoSpan(NamedTuple):
    """Media time from ``start`` up to, not including, ``end``, seconds."""

    start: float
    end: float


class CallTile(NamedTuple):
    """A rectangle of the call with the view of its picture."""

    x: int
    y: int
    width: int
    height: int
    centre: tuple[float, float]  # centre of the view, pixels of the picture
    scale: float  # pixels of the call per pixel of the picture
    sway: float  # amplitude of the movement, pixels of the picture
    phase: float  # phase of the movement, radians


# The speaker's portrait is doubled in size once, with better resampling than there is time for in each frame.
_SPEAKER = CallTile(x=32, y=32, width=860, height=624, centre=(478, 329), scale=1.0, sway=14, phase=0.0)
_GUEST = CallTile(x=916, y=32, width=332, height=300, centre=(284, 136), scale=1.15, sway=6, phase=2.1)
_VACANT = CallTile(x=916, y=356, width=332, height=300, centre=(0, 0), scale=1, sway=0, phase=0.0)


def demo_spans(seconds: float) -> tuple[DemoSpan, ...]:
    """The spans with a blended face in a ``demo:`` of that length: the middle third."""
    return (DemoSpan(seconds / 3, 2 * seconds / 3),)


def demo_faces() -> tuple[Pixels, Pixels]:
    """The speaker's head, genuine and blended: two (320, 320, 3) RGB pictures with one face each."""
    x1, y1, x2, y2 = demo_portrait.FACE
    x, y = (x1 + x2) // 2 - 80, (y1 + y2) // 2 - 80
    genuine, blended = (
        picture[y : y + 160, x : x + 160] for picture in (demo_portrait.genuine(), demo_portrait.blended())
    )
    return _double(genuine), _double(blended)


class DemoSource(Source):
    """The stream ``demo:``, 1280 x 720 at 25 frames per second."""

    def __init__(self, seconds: float) -> None:
        count = max(1, round(seconds * FPS))
        info = SourceInfo(
            name="demo:",
            kind="demo",
            live=False,
            width=WIDTH,
            height=HEIGHT,
            fps=float(FPS),
            duration=count / FPS,
            frame_count=count,
            synthetic=True,
        )
        super().__init__(info, Counter())
        self._genuine, self._altered = _double(demo_portrait.genuine()), _double(demo_portrait.blended())
        self._blended = demo_spans(seconds)
        self._joined = [DemoSpan(start * seconds, end * seconds) for start, end in _SECOND_PERSON]
        self._stage = _draw_background()
        self._noise = _noise()
        self._count = count
        self._index = 0
        self._closed = False

    def __iter__(self) -> Iterator[Frame]:
        while self._index < self._count and not self._closed:
            index, time = self._index, self._index / FPS
            self._index += 1
            pixels, now = self._draw(index, time), datetime.now(UTC)
            yield Frame(pixels=pixels, index=index, media_time=time, captured_at=now, source=self.info.name)

    def close(self) -> None:
        self._closed = True

    def _draw(self, index: int, time: float) -> Pixels:
        pixels = self._stage.copy()
        picture = self._altered if _is_within(time, self._blended) else self._genuine
        self._seat(pixels, _SPEAKER, picture, index=index)
        if _is_within(time, self._joined):
            self._seat(pixels, _GUEST, demo_portrait.companion(), index=index)
        return pixels

    def _seat(self, pixels: Pixels, seat: CallTile, picture: Pixels, *, index: int) -> None:
        """Draw a person into a seat, with movement, changing light and sensor noise."""
        size = (seat.width, seat.height)
        view = cv2.warpAffine(picture, _movement(seat, index / FPS), size, borderMode=cv2.BORDER_REFLECT)
        light = 1 + 0.05 * math.sin(2 * math.pi * index / FPS / 9.7 + seat.phase)
        x, y = index * 7 % _NOISE_STEPS, index * 13 % _NOISE_STEPS
        noise = self._noise[y : y + seat.height, x : x + seat.width]
        view = cv2.addWeighted(view, light, noise, 1.0, -128.0)
        cv2.copyTo(view, _rounded_mask(seat), _area(pixels, seat))


def _movement(seat: CallTile, time: float) -> NDArray[np.float64]:
    """The affine map from the picture to the seat: slow pan, zoom and tilt with unrelated periods."""

    def wave(period: float, offset: float) -> float:
        return math.sin(2 * math.pi * time / period + offset + seat.phase)

    x = seat.centre[0] + seat.sway * (0.75 * wave(5.3, 0.0) + 0.25 * wave(2.3, 1.3))
    y = seat.centre[1] + seat.sway * (0.30 * wave(4.1, 0.7) + 0.15 * wave(1.7, 2.9))
    zoom = seat.scale * (1 + 0.02 * wave(7.9, 1.9))
    affine: NDArray[np.float64] = np.array(cv2.getRotationMatrix2D((x, y), 1.6 * wave(6.7, 0.4), zoom), np.float64)
    affine[:, 2] += np.array((seat.width / 2 - x, seat.height / 2 - y))
    return affine


@cache
def _draw_background() -> Pixels:
    """The empty call."""
    share = np.linspace(0, 1, HEIGHT)[:, np.newaxis, np.newaxis]
    top, bottom = (np.array(colour, float) for colour in _BACKGROUND)
    pixels = np.repeat((top + (bottom - top) * share).round().astype(np.uint8), WIDTH, axis=1)
    for seat in (_SPEAKER, _GUEST, _VACANT):
        cv2.copyTo(
            np.full((seat.height, seat.width, 3), _EMPTY_SEAT, np.uint8), _rounded_mask(seat), _area(pixels, seat)
        )
    cv2.putText(pixels, "SYNTHETIC DEMO", (692, 696), cv2.FONT_HERSHEY_DUPLEX, 0.8, (240, 196, 90), 1, cv2.LINE_AA)
    return pixels


@cache
def _noise() -> Pixels:
    """A noise pattern around 128, larger than any seat by its largest offset."""
    shape = (_SPEAKER.height + _NOISE_STEPS, _SPEAKER.width + _NOISE_STEPS, 3)
    noise = np.random.default_rng(_SEED).normal(128, _NOISE, shape)
    return np.clip(noise, 0, 255).round().astype(np.uint8)


@cache
def _rounded_mask(seat: CallTile) -> Pixels:
    """A mask (height, width) of the seat with rounded corners, 255 inside."""
    mask = np.zeros((seat.height, seat.width), np.uint8)
    right, bottom = seat.width - 1 - _CORNER, seat.height - 1 - _CORNER
    cv2.rectangle(mask, (_CORNER, 0), (right, seat.height), 255, -1)
    cv2.rectangle(mask, (0, _CORNER), (seat.width, bottom), 255, -1)
    for centre in ((_CORNER, _CORNER), (right, _CORNER), (_CORNER, bottom), (right, bottom)):
        cv2.circle(mask, centre, _CORNER, 255, -1)
    return mask


def _area(pixels: Pixels, seat: CallTile) -> Pixels:
    return pixels[seat.y : seat.y + seat.height, seat.x : seat.x + seat.width]


def _double(picture: Pixels) -> Pixels:
    size = (2 * picture.shape[1], 2 * picture.shape[0])
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LANCZOS4), np.uint8)


def _is_within(time: float, spans: Iterable[DemoSpan]) -> bool:
    return any(span.start <= time < span.end for span in spans)


def open_demo(address: Address, settings: SourceSettings) -> DemoSource:  # noqa: ARG001 - there is only one demo
    """The demo, with the length from the settings."""
    return DemoSource(settings.demo_seconds)


DEMO: Final = SourceKind(
    name="demo",
    form="demo:",
    example="demo:",
    open=open_demo,
    prefix="demo",
    is_remote=False,
    is_isolated=False,
    choice="Demo",
)
