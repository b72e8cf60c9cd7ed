"""Frames and their sources."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.types.serialise import HIDDEN, Serialisable

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


def require(array: NDArray[Any], shape: tuple[int | None, ...], name: str) -> None:
    """Check an array's shape (None = any length).

    Raises:
        ValueError: the shape differs.
    """
    if array.ndim != len(shape) or any(
        want is not None and want != got for want, got in zip(shape, array.shape, strict=True)
    ):
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture with its times.

    ``media_time`` is seconds on the source's own clock (PTS, counted from its first frame);
    ``captured_at`` is the time of arrival on this machine, UTC. ``source`` is masked: no credentials.
    """

    pixels: Pixels  # (H, W, 3) RGB, read-only
    index: int  # 0-based position in the source
    media_time: float
    captured_at: datetime
    source: str

    def __post_init__(self) -> None:
        require(self.pixels, (None, None, 3), "pixels")
        if self.pixels.dtype != np.uint8:
            raise ValueError(f"pixels must be uint8, got {self.pixels.dtype}")
        self.pixels.flags.writeable = False

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])


@dataclass(frozen=True, slots=True)
class SourceInfo(Serialisable):
    """The properties of an open source. Unknown numbers are None."""

    name: str  # path or address, masked: safe to show and store
    kind: str  # kind of the source: file, image, folder, webcam, rtsp, http, screen, demo
    live: bool  # whether newer frames replace older ones; else every frame is analysed, in order
    width: int  # of a frame, pixels
    height: int  # of a frame, pixels
    fps: float | None = None  # average frames per second of media time; None: unknown
    duration: float | None = None  # seconds of media time; None: unknown
    frame_count: int | None = None  # estimate from the container; None: unknown
    path: Path | None = field(default=None, metadata=HIDDEN)  # the local file, if there is one
    has_audio: bool = False  # whether it has sound; sound is not analysed
    still: bool = False  # whether it is one picture, judged on one sample
    synthetic: bool = False  # whether it was made by this program (demo:)
    device: str = ""  # the system's name of a camera; "": not a camera, or unknown
    virtual: bool = False  # whether the system reports a camera without hardware
    notes: tuple[str, ...] = ()  # how it was read, and what was not looked at, as text for people (since 2.0)
