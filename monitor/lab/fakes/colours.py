"""Changes of colour as one affine map of RGB per row: gains (N, 3, 3) and offsets (N, 3)."""

from dataclasses import dataclass

import torch
from torch import Tensor

# RGB -> luma and two colour differences (NTSC's YIQ): hue is an angle in the latter two, saturation their length.
_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
# Opponent axes in which skin varies independently: brightness, red-green, yellow-blue (orthonormal).
_OPPONENT = (
    (0.57735027, 0.57735027, 0.57735027),
    (0.70710678, -0.70710678, 0.0),
    (0.40824829, 0.40824829, -0.81649658),
)
_LEAST_SPREAD = 0.01  # of 1; a smaller standard deviation is not stretched


@dataclass(frozen=True, slots=True, eq=False)
class Colours:
    """One affine map per row: ``gains @ rgb + offsets``."""

    gains: Tensor  # (N, 3, 3)
    offsets: Tensor  # (N, 3)

    def apply(self, pictures: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) with other colours; may leave [0, 1]."""
        n, channels, height, width = pictures.shape
        flat = pictures.reshape(n, channels, height * width)
        return torch.baddbmm(self.offsets[:, :, None], self.gains, flat).view(n, channels, height, width)

    def towards_identity(self, strength: Tensor) -> "Colours":
        """The map, interpolated towards the identity; ``strength`` (N,) from 0 (identity) to 1."""
        identity = torch.eye(3, device=strength.device)
        gains = identity + strength[:, None, None] * (self.gains - identity)
        return Colours(gains, self.offsets * strength[:, None])


def adjusted(*, contrast: Tensor, saturation: Tensor, hue: Tensor, shift: Tensor) -> Colours:
    """Changes contrast about mid-grey, saturation and hue about grey of equal luma, then shifts each channel.

    Args:
        contrast: (N,) factors, 1 = none.
        saturation: (N,) factors, 1 = none.
        hue: (N,) radians, 0 = none.
        shift: (N, 3) red, green, blue, of full scale.
    """
    device = contrast.device
    to_yiq = torch.tensor(_YIQ, device=device)
    turn = torch.zeros(len(contrast), 3, 3, device=device)
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = saturation * hue.cos()
    turn[:, 1, 2] = -saturation * hue.sin()
    turn[:, 2, 1] = saturation * hue.sin()
    gains = (torch.linalg.inv(to_yiq) @ turn @ to_yiq) * contrast[:, None, None]
    offsets = 0.5 * (1 - contrast)[:, None] + shift
    return Colours(gains, offsets)


def matched(pictures: Tensor, targets: Tensor, masks: Tensor, *, most: float = 1.6) -> Colours:
    """The map that transfers the targets' mean and standard deviation inside masks, along opponent colour axes.

    Reinhard et al., 2001, "Color Transfer between Images", on linear opponent axes.

    Args:
        pictures: (N, 3, H, W) pictures to change.
        targets: (N, 3, H, W) pictures with the desired colours.
        masks: (N, 1, H, W) weights >= 0, not all zero.
        most: largest factor of the standard deviation; its inverse is the smallest.
    """
    axes = torch.tensor(_OPPONENT, device=pictures.device)
    weights = masks.flatten(2)
    weights = weights / weights.sum(2, keepdim=True).clamp(min=1e-6)
    (mean, spread), (wanted, wanted_spread) = (_statistics(p.flatten(2), weights, axes) for p in (pictures, targets))
    ratio = (wanted_spread.clamp(min=_LEAST_SPREAD) / spread.clamp(min=_LEAST_SPREAD)).clamp(1 / most, most)
    gains = axes.T @ (ratio[:, :, None] * axes)
    offsets = wanted - torch.bmm(gains, mean[:, :, None])[:, :, 0]
    return Colours(gains, offsets)


def _statistics(flat: Tensor, weights: Tensor, axes: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean (N, 3) in RGB, and standard deviation (N, 3) along the axes."""
    mean = torch.bmm(flat, weights.transpose(1, 2))[:, :, 0]
    second = torch.bmm(flat * weights, flat.transpose(1, 2))
    covariance = second - mean[:, :, None] * mean[:, None, :]
    variance = ((axes @ covariance) * axes).sum(2)
    return mean, variance.clamp(min=0).sqrt()
