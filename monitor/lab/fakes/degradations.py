"""Degradations of real and fake pictures, drawn once per row and applied equally to both halves of a pair.

The order is the physical one: occluder, light and colour, lens and motion, rescaling, sensor noise, H.264, JPEG.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from monitor.errors import ExperimentError
from monitor.lab.fakes import resampling
from monitor.lab.fakes.codecs import h264, jpeg
from monitor.lab.fakes.colours import Colours, adjusted

STRONGEST = 2.0

_CHANCES = {
    "occluder": 0.08,
    "colour": 0.45,
    "gamma": 0.25,
    "blur": 0.2,
    "motion": 0.08,
    "resize": 0.35,
    "noise": 0.25,
    "jpeg": 0.7,
    "h264": 0.35,
}
_SPARED = 0.2  # share of rows without degradation at strength 1
_SHARED = ("grain", "grid")  # fields that are not per row
_SIDE = 96  # picture side, pixels, to which lengths in pixels below refer
_TAPS = 9  # samples averaged for motion blur
_BEST_JPEG, _WORST_JPEG = 100, 30  # at strength 1
_BLOCK = 8  # pixels a side of JPEG's blocks
_BEST_CRF, _WORST_CRF = 18, 40  # of H.264, at strength 1
_PAN = 2  # pixels that a picture moves at most between the two frames of its H.264 clip
_FULL_WELL = 800.0  # electrons of a white pixel where shot noise is strongest


@dataclass(frozen=True, slots=True, eq=False)
class Degradation:
    """One degradation per row. A value that means "none" leaves the row's picture unchanged, bit for bit."""

    gamma: Tensor  # (N,) exponent; 1 = none
    gains: Tensor  # (N, 3, 3) of the colour map
    offsets: Tensor  # (N, 3) of the colour map
    blur: Tensor  # (N,) sigma, pixels; 0 = none
    motion: Tensor  # (N, 2) x and y of the stroke, pixels; 0 = none
    side: Tensor  # (N,) reduced size, pixels; the original size = none
    kernels: Tensor  # (N, 2) int: shrink by samples (0) or area (1); enlarge nearest, linear or cubic (0, 1, 2)
    noise: Tensor  # (N, 2) standard deviation of white noise, and of shot noise at full light; 0 = none
    grain: Tensor  # (M, 3, S, S) unit noise of the noisy rows
    grain_row: Tensor  # (N,) int, row of ``grain``; -1 = none
    occluder: (
        Tensor  # (N, 9) middle x y and half sizes, pixels; angle, radians; exponent; red green blue. Size 0 = none
    )
    quality: Tensor  # (N,) of JPEG; 0 = none
    grid: Tensor  # (2,) int 0 .. 7, y and x of JPEG's first block outside the picture: the same for all rows
    crf: Tensor  # (N,) constant rate factor of H.264; 0 = none
    pan: Tensor  # (N, 2) int, y and x pixels that the picture moved since the key frame of its H.264 clip

    @classmethod
    def draw(cls, n: int, *, size: int, generator: torch.Generator, strength: float = 1.0) -> Self:
        """Draw degradations for pictures of ``size`` x ``size``, on the generator's device.

        Args:
            n: rows.
            size: side of the pictures, pixels.
            generator: source of the randomness.
            strength: 0 (none) .. 2; scales probability and size.

        Raises:
            ExperimentError: the strength is outside 0 .. 2.
        """
        if not 0 <= strength <= STRONGEST:
            raise ExperimentError(f"a degradation's strength goes from 0 (none) to {STRONGEST:g}, got {strength}")
        chances = torch.tensor(list(_CHANCES.values()), device=generator.device) * strength
        chosen = torch.rand(n, len(_CHANCES), generator=generator, device=generator.device) < chances
        spared = torch.rand(n, 1, generator=generator, device=generator.device) < _SPARED
        chosen &= ~spared
        on = dict(zip(_CHANCES, chosen.unbind(1), strict=True))
        u = torch.rand(n, 26, generator=generator, device=generator.device)
        both = 2 * u - 1
        unit = size / _SIDE
        colours = adjusted(
            contrast=torch.exp(0.35 * strength * both[:, 0] * on["colour"]),
            saturation=torch.exp(0.5 * strength * both[:, 1] * on["colour"]),
            hue=0.1 * strength * both[:, 2] * on["colour"],
            shift=strength * (0.12 * both[:, 3:4] + 0.05 * both[:, 4:7]) * on["colour"][:, None],
        )
        stroke = torch.stack((both[:, 9], both[:, 10]), dim=1)
        grain, grain_row = _grain(on["noise"], u[:, 14], size=size, generator=generator)
        crf = _BEST_CRF + (_WORST_CRF - _BEST_CRF) * min(strength, 1) * u[:, 25]
        return cls(
            gamma=torch.exp(0.5 * strength * both[:, 7] * on["gamma"]),
            gains=torch.where(on["colour"][:, None, None], colours.gains, torch.eye(3, device=u.device)),
            offsets=colours.offsets,
            blur=(0.3 + 1.1 * strength * u[:, 8] ** 2) * unit * on["blur"],
            motion=stroke * (6 * strength * unit) * on["motion"][:, None],
            side=torch.where(
                on["resize"], size * (0.95 - 0.55 * strength * u[:, 11]).clamp(min=0.2), size * u.new_ones(n)
            ).round(),
            kernels=torch.stack((u[:, 12] < 0.75, (u[:, 13] * 2.6).long()), dim=1).long(),
            noise=torch.stack((0.04 * u[:, 15] ** 2, u[:, 16] / _FULL_WELL**0.5), dim=1)
            * strength
            * on["noise"][:, None],
            grain=grain,
            grain_row=grain_row,
            occluder=_occluders(u[:, 17:24], size=size, strength=strength) * on["occluder"][:, None],
            quality=(_BEST_JPEG - (_BEST_JPEG - _WORST_JPEG) * u[:, 24]).round() * on["jpeg"],
            grid=torch.randint(_BLOCK, (2,), generator=generator, device=generator.device),
            crf=crf.round() * on["h264"],
            pan=torch.randint(-_PAN, _PAN + 1, (n, 2), generator=generator, device=generator.device),
        )

    def __len__(self) -> int:
        return len(self.quality)

    def __getitem__(self, rows: Tensor | slice) -> Self:
        """A selection of the rows, by mask, indices or slice."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return type(self)(**{name: part if name in _SHARED else part[rows] for name, part in parts.items()})

    def apply(self, images: Tensor) -> Tensor:
        """Degrade pictures (N, 3, S, S) float32 RGB in [0, 1] of the drawn size; same shape and range."""
        images = images.clone()
        for active, step in (
            (self.occluder[:, 2] > 0, self._occluded),
            (self.gamma != 1, self._exposed),
            (
                (self.gains != torch.eye(3, device=images.device)).flatten(1).any(1) | (self.offsets != 0).any(1),
                self._coloured,
            ),
            ((self.blur > 0) | (self.side < images.shape[-1]), self._softened),
            ((self.motion != 0).any(1), self._moved),
            (self.grain_row >= 0, self._noisy),
            (self.crf > 0, self._filmed),
            (self.quality > 0, self._compressed),
        ):
            rows = torch.nonzero(active)[:, 0]
            if len(rows):
                images[rows] = step(images[rows], rows).clamp_(0, 1)
        return images

    def _occluded(self, images: Tensor, rows: Tensor) -> Tensor:
        """Draw an occluder: a small superellipse (disc to rectangle) of one colour with a soft edge."""
        x, y, wide, tall, angle, exponent = (self.occluder[rows, i, None, None] for i in range(6))
        axis = torch.arange(images.shape[-1], device=images.device) + 0.5
        along = (axis[None, None, :] - x) * angle.cos() + (axis[None, :, None] - y) * angle.sin()
        aside = (axis[None, :, None] - y) * angle.cos() - (axis[None, None, :] - x) * angle.sin()
        inside = 1 - (along / wide).abs().pow(exponent) - (aside / tall).abs().pow(exponent)
        opacity = (inside * wide.minimum(tall) / 3).clamp(0, 1)[:, None]
        return torch.lerp(images, self.occluder[rows, 6:, None, None].expand_as(images), opacity)

    def _exposed(self, images: Tensor, rows: Tensor) -> Tensor:
        return images.pow(self.gamma[rows, None, None, None])

    def _coloured(self, images: Tensor, rows: Tensor) -> Tensor:
        return Colours(self.gains[rows], self.offsets[rows]).apply(images)

    def _softened(self, images: Tensor, rows: Tensor) -> Tensor:
        size = images.shape[-1]
        lens = resampling.blurs(self.blur[rows], length=size)
        scaling = resampling.reductions(
            self.side[rows], length=size, averaging=self.kernels[rows, 0] > 0, enlarging=self.kernels[rows, 1]
        )
        both = torch.bmm(scaling, lens)
        return resampling.apply(images, vertical=both, horizontal=both)

    def _moved(self, images: Tensor, rows: Tensor) -> Tensor:
        """Motion blur: the mean of linear samples along the stroke."""
        size = images.shape[-1]
        axis = (torch.arange(size, device=images.device) + 0.5) * (2 / size) - 1
        places = torch.stack((axis[None, :].expand(size, size), axis[:, None].expand(size, size)), dim=2)
        stroke = self.motion[rows, None, None] * (2 / size)
        total = torch.zeros_like(images)
        for tap in range(_TAPS):
            grid = places + stroke * (tap / (_TAPS - 1) - 0.5)
            total += functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
        return total / _TAPS

    def _noisy(self, images: Tensor, rows: Tensor) -> Tensor:
        white, shot = (self.noise[rows, i, None, None, None] for i in range(2))
        spread = (white**2 + shot**2 * images).sqrt()
        return images + spread * self.grain[self.grain_row[rows]]

    def _filmed(self, images: Tensor, rows: Tensor) -> Tensor:
        """Each picture as the second frame of an H.264 clip, predicted from a key frame that it has moved away from."""
        pixels = (images * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        filmed = np.empty_like(pixels)
        for number, (row, picture) in enumerate(zip(rows.tolist(), pixels, strict=True)):
            y, x = self.pan[row].tolist()
            height, width = picture.shape[:2]
            padded = np.pad(picture, ((_PAN, _PAN), (_PAN, _PAN), (0, 0)), mode="edge")
            before = padded[_PAN + y : _PAN + y + height, _PAN + x : _PAN + x + width]
            filmed[number] = h264(np.stack((before, picture)), crf=int(self.crf[row]))[1]
        return torch.from_numpy(filmed).to(images.device).permute(0, 3, 1, 2).float().div_(255)

    def _compressed(self, images: Tensor, rows: Tensor) -> Tensor:
        top, left = self.grid.tolist()
        moved = functional.pad(images, (left, 0, top, 0), mode="replicate")  # JPEG blocks start anywhere in a crop
        return jpeg(moved, self.quality[rows])[:, :, top:, left:]


def flip(images: Tensor, landmarks: Tensor, *, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror some rows left to right, and swap left and right landmarks.

    Args:
        images: (N, 3, S, S).
        landmarks: (N, 5, 2) pixels.
        rows: (N,) bool.

    Returns:
        New images and landmarks.
    """
    size = images.shape[-1]
    chosen = rows[:, None, None, None]
    mirrored = landmarks[:, (1, 0, 2, 4, 3)] * landmarks.new_tensor((-1, 1)) + landmarks.new_tensor((size, 0))
    points = torch.where(rows[:, None, None], mirrored, landmarks)
    return torch.where(chosen, images.flip(3), images), points


def _grain(noisy: Tensor, coarse: Tensor, *, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Unit noise (M, 3, S, S) of the M noisy rows, half of it two pixels coarse, and each row's index in it (N,)."""
    order = noisy.long().cumsum(0)
    where = torch.where(noisy, order - 1, -torch.ones_like(order))
    rows = torch.nonzero(noisy)[:, 0]
    grain = torch.randn(len(rows), 3, size, size, generator=generator, device=generator.device)
    blurred = functional.avg_pool2d(functional.pad(grain, (0, 1, 0, 1), mode="replicate"), 2, stride=1) * 2
    return torch.where((coarse[rows] < 0.5)[:, None, None, None], blurred, grain), where


def _occluders(u: Tensor, *, size: int, strength: float) -> Tensor:
    """(N, 9) occluders from (N, 7) uniform numbers; see ``Degradation.occluder``."""
    middle = size * (0.05 + 0.9 * u[:, :2])
    half = size * (0.03 + 0.07 * strength * u[:, 2:4])
    angle = torch.pi * u[:, 4:5]
    exponent = 2 + 6 * u[:, 5:6]
    grey = u[:, 6:7]
    colour = torch.cat((grey, (grey + 0.2 * (u[:, 2:3] - 0.5)), (grey + 0.3 * (u[:, 3:4] - 0.5))), dim=1).clamp(0, 1)
    return torch.cat((middle, half, angle, exponent, colour), dim=1)
