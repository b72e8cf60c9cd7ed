"""Stored crops -> crops of a network's size: random squares of them, as the live path would cut them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from monitor.errors import ExperimentError
from monitor.lab.fakes import resampling

if TYPE_CHECKING:
    from torch import Tensor


def draw_squares(
    n: int, *, stored: int, scale: tuple[float, float], shift: float, generator: torch.Generator
) -> Tensor:
    """Random squares of a stored picture: (N, 4) ``x1 y1 x2 y2`` pixels, on the generator's device.

    A square that fits is moved inside (:func:`moved_inside`): nothing is shown that the stored picture lacks.

    Args:
        n: how many.
        stored: side of the stored pictures, pixels.
        scale: smallest and largest side, in stored sides.
        shift: the most that the middle moves along each axis, in stored sides.
        generator: source of the randomness.

    Raises:
        ExperimentError: the scales are not 0 < smallest <= largest, or the shift is negative.
    """
    smallest, largest = scale
    if not 0 < smallest <= largest or shift < 0:
        msg = f"crop jitter needs 0 < smallest <= largest scale and shift >= 0, got scale {scale}, shift {shift}"
        raise ExperimentError(msg)
    draws = torch.rand(n, 3, generator=generator, device=generator.device)
    sides = stored * (smallest + (largest - smallest) * draws[:, :1])
    starts = (stored - sides) / 2 + (2 * draws[:, 1:] - 1) * (shift * stored)
    return moved_inside(torch.cat((starts, starts + sides), dim=1), stored=stored)


def moved_inside(squares: Tensor, *, stored: int) -> Tensor:
    """Squares (N, 4), moved no further than it takes to lie inside a stored picture, or to hold all of it if larger."""
    sides = squares[:, 2:] - squares[:, :2]
    room = stored - sides
    starts = squares[:, :2].maximum(room.clamp(max=0)).minimum(room.clamp(min=0))
    return torch.cat((starts, starts + sides), dim=1)


def recrop(images: Tensor, squares: Tensor, *, size: int) -> Tensor:
    """Cut one square of every picture, as :func:`monitor.crops.cut_squares` cuts them from a frame.

    Args:
        images: (N, C, H, W) float32, or uint8 of 0 .. 255, which becomes [0, 1]; masks as well as pictures.
        squares: (N, 4) ``x1 y1 x2 y2`` pixels.
        size: side of the result, pixels.

    Returns:
        (N, C, size, size) float32.
    """
    pictures = images.float().div_(255) if images.dtype == torch.uint8 else images
    height, width = images.shape[-2:]
    sides = squares[:, 2] - squares[:, 0]
    vertical = resampling.crops(squares[:, 1], sides, size=size, length=height)
    horizontal = resampling.crops(squares[:, 0], sides, size=size, length=width)
    return resampling.apply(pictures, vertical=vertical, horizontal=horizontal)


def recrop_landmarks(landmarks: Tensor, squares: Tensor, *, size: int) -> Tensor:
    """Where landmarks (N, 5, 2), pixels of the whole pictures, lie in their squares' crops of ``size``, pixels."""
    sides = squares[:, 2:3] - squares[:, :1]
    return (landmarks - squares[:, None, :2]) * (size / sides)[:, None]
