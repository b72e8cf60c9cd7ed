"""Random square crops of the stored crops at a network's input size, cut as in the live path."""

from dataclasses import dataclass

import torch
from torch import Tensor

from monitor.errors import ExperimentError
from monitor.lab.fakes import resampling


@dataclass(frozen=True, slots=True)
class Jitter:
    """Range of the random crops; lengths in heights of the detector's box.

    Raises:
        ExperimentError: the scales are not 0 < smallest <= largest, or the shift is negative.
    """

    scale: tuple[float, float]  # smallest and largest side
    shift: float  # largest offset of the centre along each axis
    centre: float  # of the square below the box's centre, before the shift

    def __post_init__(self) -> None:
        smallest, largest = self.scale
        if not 0 < smallest <= largest or self.shift < 0:
            raise ExperimentError(
                f"crop jitter needs 0 < smallest <= largest scale and shift >= 0, got scale {self.scale}, "
                f"shift {self.shift}"
            )


def draw_squares(sides: Tensor, centres: Tensor, *, stored: int, jitter: Jitter, generator: torch.Generator) -> Tensor:
    """Random squares of stored pictures: (N, 4) ``x1 y1 x2 y2`` pixels, inside them.

    No square is larger than the stored picture, and each is moved inside it (:func:`moved_inside`).

    Args:
        sides: (N,) of the stored squares, box heights.
        centres: (N,) of the stored squares below the box's centre, box heights.
        stored: side of the stored pictures, pixels.
        jitter: ranges of the crops.
        generator: source of the randomness, on the tensors' device.
    """
    draws = torch.rand(len(sides), 3, generator=generator, device=generator.device)
    unit = (stored / sides)[:, None]  # pixels in a box height
    largest = sides.clamp(max=jitter.scale[1])[:, None]
    smallest = largest.clamp(max=jitter.scale[0])
    halves = unit * (smallest + (largest - smallest) * draws[:, :1]) / 2
    down = torch.stack((torch.zeros_like(centres), jitter.centre - centres), dim=1)
    middles = stored / 2 + unit * (down + (2 * draws[:, 1:] - 1) * jitter.shift)
    return moved_inside(torch.cat((middles - halves, middles + halves), dim=1), stored=stored)


def moved_inside(squares: Tensor, *, stored: int) -> Tensor:
    """Squares (N, 4), moved as little as possible to lie inside the stored picture, or to contain it if larger."""
    sides = squares[:, 2:] - squares[:, :2]
    room = stored - sides
    starts = squares[:, :2].maximum(room.clamp(max=0)).minimum(room.clamp(min=0))
    return torch.cat((starts, starts + sides), dim=1)


def recrop(images: Tensor, squares: Tensor, *, size: int) -> Tensor:
    """Cut one square of every picture, as :func:`monitor.classifiers.crops.cut_squares` cuts them from a frame.

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
    """Landmarks (N, 5, 2), converted from pixels of the pictures to pixels of their crops of ``size``."""
    sides = squares[:, 2:3] - squares[:, :1]
    return (landmarks - squares[:, None, :2]) * (size / sides)[:, None]
