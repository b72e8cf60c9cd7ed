"""Face masks, scarves, dark glasses and hands, and black-and-white film: what genuine faces are filmed with.

Both halves of a pair get the same, so that a covered face is no sign of manipulation.
"""

from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor

from monitor.lab.fakes import resampling
from monitor.lab.fakes.hulls import face_masks

SHAPES: Final = ("mouth_and_chin", "below_eyes", "mouth", "eyes", "left_half", "right_half")

_EDGE = 4.0  # slope of the edge: cloth ends sharply, the masks of blends do not
_FOLDS = 7  # knots a side of the shading
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, slots=True, eq=False)
class Covering:
    """One covering and one colour mode per row."""

    opacity: Tensor  # (N, 1, S, S) in [0, 1]; 0 everywhere: nothing is covered
    cloth: Tensor  # (N, 3, S, S) RGB in [0, 1]
    grey: Tensor  # (N,) bool: black and white

    @classmethod
    def draw(cls, landmarks: Tensor, *, size: int, generator: torch.Generator, covered: float, grey: float) -> Self:
        """Draw coverings for pictures of ``size`` x ``size``.

        Args:
            landmarks: (N, 5, 2) pixels.
            size: S, pixels.
            generator: on the landmarks' device.
            covered: share of the rows with a covering.
            grey: share of the rows in black and white.
        """
        n, device = len(landmarks), landmarks.device
        draws = torch.rand(n, 7, generator=generator, device=device)
        masks = face_masks(landmarks, size=size, generator=generator, shapes=SHAPES)
        opacity = ((masks - 0.5) * _EDGE + 0.5).clamp(0, 1) * (draws[:, 0] < covered)[:, None, None, None]
        knots = torch.randn(n, 1, _FOLDS, _FOLDS, generator=generator, device=device)
        curves = resampling.between_knots(_FOLDS, length=size, device=device)
        shading = 1 + (0.25 * draws[:, 1])[:, None, None, None] * (curves @ knots @ curves.T)
        light = 0.05 + 0.9 * draws[:, 2:3]
        tint = (draws[:, 3:6] - 0.5) * 0.4
        return cls(opacity, ((light + tint)[:, :, None, None] * shading).clamp(0, 1), draws[:, 6] < grey)

    def apply(self, images: Tensor) -> Tensor:
        """Cover pictures (N, 3, S, S) in [0, 1]; rows that were drawn as plain stay as they are, bit for bit."""
        made = torch.lerp(images, self.cloth, self.opacity)
        luma = (made * made.new_tensor(_LUMA)[:, None, None]).sum(1, keepdim=True)
        return torch.where(self.grey[:, None, None, None], luma.expand_as(made), made)
