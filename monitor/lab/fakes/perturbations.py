"""Perturbations of pictures and clips, in five levels each.

Seven are those of DeeperForensics-1.0 (Jiang et al., CVPR 2020), with the parameters of its published tools:
saturation, contrast, blocks, noise, blur, pixelation, H.264. Two details differ: the number of blocks scales with the
picture's size, but is never rounded down to 0; and noise is white in full-range YCbCr. The others (JPEG, low light,
motion blur, small face) and their levels are our own.

They use NumPy and OpenCV on single pictures, either frames or crops. Lengths are pixels of the given picture, so the
same level changes a crop more than the whole frame.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from monitor.errors import ExperimentError
from monitor.lab.fakes.codecs import h264
from monitor.types import Floats, Pixels

Change = Callable[[Pixels, float, np.random.Generator], Pixels]

PUBLISHED: Final = "DeeperForensics-1.0"
OURS: Final = "ours"
LEVELS: Final = (1, 2, 3, 4, 5)

_BLOCK = 8  # pixels a side
_BLOCKS_PER = 256  # shorter side, pixels, to which the number of blocks refers
_LINEAR = 2.2  # exponent from stored values to light
_READ_NOISE, _WELL = 0.002, 4000.0  # of white's light; electrons of white in good light
_GAIN = 0.35  # exponent of the camera's compensation of low light


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One row of the grid; level 0 leaves the picture unchanged."""

    name: str
    parameters: tuple[float, ...]  # of levels 1 .. 5
    meaning: str  # of the parameter
    origin: str  # of the parameters: PUBLISHED or OURS
    change: Change
    change_clip: Callable[[Pixels, float], Pixels] | None = None  # for perturbations of whole clips

    def apply(self, frame: Pixels, *, level: int, seed: int) -> Pixels:
        """Perturb one picture.

        Args:
            frame: (H, W, 3) RGB.
            level: 0 (none) .. 5.
            seed: of the random draws, which do not depend on the level.

        Returns:
            (H, W, 3), a new array.

        Raises:
            ExperimentError: there is no such level.
        """
        if self._parameter(level) is None:
            return frame.copy()
        return self.change(frame, self.parameters[level - 1], np.random.default_rng(seed))

    def apply_clip(self, frames: Pixels, *, level: int, seed: int) -> Pixels:
        """Perturb a clip (T, H, W, 3), as a whole or frame by frame with seeds ``seed + t``.

        Raises:
            ExperimentError: there is no such level.
        """
        parameter = self._parameter(level)
        if parameter is None:
            return frames.copy()
        if self.change_clip is not None:
            return self.change_clip(frames, parameter)
        return np.stack([self.apply(frame, level=level, seed=seed + t) for t, frame in enumerate(frames)])

    def _parameter(self, level: int) -> float | None:
        if level == 0:
            return None
        if level not in LEVELS:
            raise ExperimentError(f"perturbation {self.name} has levels 0 (none) to {LEVELS[-1]}, got {level}")
        return self.parameters[level - 1]


def resized_and_back(frame: Pixels, *, factor: float) -> Pixels:
    """Shrink a picture (H, W, 3) by area to ``factor`` (0 .. 1) of its size and enlarge it again, linearly.

    For example, ``factor = 64 / h`` reduces a face of ``h`` pixels to 64 pixels.
    """
    height, width = frame.shape[:2]
    if factor >= 1:
        return frame.copy()
    small = cv2.resize(
        frame, (max(1, round(width * factor)), max(1, round(height * factor))), interpolation=cv2.INTER_AREA
    )
    return _pixels(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))


def _saturation(frame: Pixels, factor: float, _: np.random.Generator) -> Pixels:
    ycc = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb), np.float32)
    ycc[..., 1:] = 128 + factor * (ycc[..., 1:] - 128)
    return _from_ycc(ycc)


def _contrast(frame: Pixels, factor: float, _: np.random.Generator) -> Pixels:
    return _rounded(frame.astype(np.float32) * np.float32(factor))


def _blocks(frame: Pixels, count: float, rng: np.random.Generator) -> Pixels:
    height, width = frame.shape[:2]
    changed = frame.copy()
    places = rng.random((max(1, round(count * min(height, width) / _BLOCKS_PER)), 2))
    for y, x in (places * (max(1, height - _BLOCK), max(1, width - _BLOCK))).astype(int).tolist():
        changed[y : y + _BLOCK, x : x + _BLOCK] = 128
    return changed


def _noise(frame: Pixels, variance: float, rng: np.random.Generator) -> Pixels:
    ycc = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2YCrCb), np.float32)
    return _from_ycc(ycc + np.float32(255 * variance**0.5) * rng.standard_normal(ycc.shape, np.float32))


def _blur(frame: Pixels, kernel: float, _: np.random.Generator) -> Pixels:
    return _pixels(cv2.GaussianBlur(frame, (int(kernel), int(kernel)), kernel / 6))


def _pixelation(frame: Pixels, factor: float, _: np.random.Generator) -> Pixels:
    """Linear in both directions, as published, with aliasing."""
    height, width = frame.shape[:2]
    small = cv2.resize(frame, (max(1, int(width // factor)), max(1, int(height // factor))))
    return _pixels(cv2.resize(small, (width, height)))


def _h264(frame: Pixels, crf: float, _: np.random.Generator) -> Pixels:
    """A single picture is a key frame, which is compressed less than a frame in a clip."""
    return _pixels(h264(frame[None], crf=int(crf))[0])


def _h264_clip(frames: Pixels, crf: float) -> Pixels:
    return h264(frames, crf=int(crf))


def _jpeg(frame: Pixels, quality: float, _: np.random.Generator) -> Pixels:
    options = (cv2.IMWRITE_JPEG_QUALITY, int(quality))
    stored = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), options)[1]
    return _pixels(cv2.imdecode(stored, cv2.IMREAD_COLOR_RGB))


def _low_light(frame: Pixels, light: float, rng: np.random.Generator) -> Pixels:
    """Reduce the light on the sensor; the camera's compensation amplifies the noise, too."""
    scene = light * (frame / np.float32(255)) ** np.float32(_LINEAR)
    noise = rng.standard_normal(frame.shape, np.float32)
    seen = scene + np.sqrt(scene / np.float32(_WELL) + np.float32(_READ_NOISE**2)) * noise
    amplified = np.clip(seen * np.float32(light ** (_GAIN - 1)), 0, 1)
    return _rounded(np.float32(255) * amplified.astype(np.float32) ** np.float32(1 / _LINEAR))


def _motion(frame: Pixels, length: float, rng: np.random.Generator) -> Pixels:
    """The mean along a straight stroke in a random direction, one sample per pixel of length."""
    angle = rng.uniform(0, np.pi)
    height, width = frame.shape[:2]
    total = np.zeros(frame.shape, np.float32)
    steps = np.linspace(-length / 2, length / 2, round(length) + 1)
    for step in steps.tolist():
        move = np.array(((1, 0, step * np.cos(angle)), (0, 1, step * np.sin(angle))))
        total += cv2.warpAffine(frame, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return _rounded(total / np.float32(len(steps)))


def _small(frame: Pixels, side: float, _: np.random.Generator) -> Pixels:
    return resized_and_back(frame, factor=side / min(frame.shape[:2]))


def _from_ycc(ycc: Floats) -> Pixels:
    return _pixels(cv2.cvtColor(_rounded(ycc), cv2.COLOR_YCrCb2RGB))


def _rounded(values: Floats) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _pixels(picture: object) -> Pixels:
    return np.asarray(picture, np.uint8)


def _published(name: str, parameters: tuple[float, ...], meaning: str, *, change: Change) -> Perturbation:
    return Perturbation(name, parameters, meaning, origin=PUBLISHED, change=change)


def _ours(name: str, parameters: tuple[float, ...], meaning: str, *, change: Change) -> Perturbation:
    return Perturbation(name, parameters, meaning, origin=OURS, change=change)


_ROWS = (
    _published("saturation", (0.4, 0.3, 0.2, 0.1, 0.0), "share of the colour that is kept", change=_saturation),
    _published("contrast", (0.85, 0.725, 0.6, 0.475, 0.35), "factor of all values", change=_contrast),
    _published("blocks", (16, 32, 48, 64, 80), "grey blocks of 8 pixels per 256 pixels of side", change=_blocks),
    _published("noise", (0.001, 0.002, 0.005, 0.01, 0.05), "variance of white noise, full scale 1", change=_noise),
    _published("blur", (7, 9, 13, 17, 21), "side of the Gaussian's kernel, 6 sigma, pixels", change=_blur),
    _published("pixelation", (2, 3, 4, 5, 6), "factor of shrinking and enlarging", change=_pixelation),
    Perturbation(
        "h264", (30, 32, 35, 38, 40), "constant rate factor", origin=PUBLISHED, change=_h264, change_clip=_h264_clip
    ),
    _ours("jpeg", (80, 60, 40, 25, 10), "quality", change=_jpeg),
    _ours("low_light", (0.5, 0.25, 0.12, 0.06, 0.03), "share of the light that is left", change=_low_light),
    _ours("motion_blur", (5, 9, 13, 19, 27), "length of the stroke, pixels", change=_motion),
    _ours("small_face", (160, 96, 64, 48, 32), "shorter side of the picture, pixels", change=_small),
)
PERTURBATIONS: Final[dict[str, Perturbation]] = {row.name: row for row in _ROWS}
