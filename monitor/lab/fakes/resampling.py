"""Separable operations (crop, shift, shrink, enlarge, blur, sharpen) as one matrix per row and axis.

``pictures = vertical @ pictures @ horizontal^T``: operations are composed by multiplying their small matrices. So a
chain of operations costs two matrix products per picture, runs batched on any device, and is exact. Positions are
pixels; pixel ``j`` covers ``j .. j + 1``. Beyond the border the last pixel is repeated.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

_KEYS = -0.75  # the cubic's free parameter, as in OpenCV
_SMALLEST_SIGMA = 0.15  # pixels; a narrower Gaussian equals the identity to 1e-9
_CUBIC_REACH = 2  # pixels on both sides


def apply(pictures: Tensor, *, vertical: Tensor, horizontal: Tensor) -> Tensor:
    """Apply operators to pictures (N, C, H, W): vertical (N, h, H), horizontal (N, w, W) -> (N, C, h, w)."""
    n, channels, height, width = pictures.shape
    across = torch.bmm(pictures.reshape(n, channels * height, width), horizontal.transpose(1, 2))
    return torch.matmul(vertical[:, None], across.view(n, channels, height, -1))


def crops(starts: Tensor, sides: Tensor, *, size: int, length: int) -> Tensor:
    """(N, size, length): resample the interval from ``starts`` (N,), ``sides`` (N,) pixels long, to ``size``.

    As in :func:`monitor.classifiers.crops.cut_squares`, each pixel is the mean of linear samples at most 1.1 source
    pixels apart, so that shrinking averages over the pixel's area.
    """
    densities = (sides / size - 0.1).ceil().clamp(min=1)
    cells = torch.arange(length, device=sides.device)
    matrices = torch.zeros(len(sides), size, length, device=sides.device)
    for sample in range(int(densities.max().item()) if len(densities) else 0):
        offsets = (sample + 0.5) / densities
        pixels = torch.arange(size, device=sides.device) + offsets[:, None]
        positions = (starts[:, None] + pixels * (sides / size)[:, None] - 0.5).clamp(0, length - 1)
        share = (1.0 / densities) * (sample < densities)
        matrices += _triangle(positions[..., None] - cells) * share[:, None, None]
    return matrices


def moves(shifts: Tensor, scales: Tensor, *, length: int) -> Tensor:
    """(N, length, length): enlarge about the middle by ``scales`` (N,), then move by ``shifts`` (N,) pixels; cubic."""
    pixels = torch.arange(length, device=shifts.device, dtype=shifts.dtype)
    middle = (length - 1) / 2
    positions = (pixels - middle - shifts[:, None]) / scales[:, None] + middle
    return _interpolation(positions, length=length, kernel=_cubic, reach=_CUBIC_REACH)


def blurs(sigmas: Tensor, *, length: int) -> Tensor:
    """(N, length, length): Gaussian blur of ``sigmas`` (N,) pixels, renormalised at the border."""
    pixels = torch.arange(length, device=sigmas.device, dtype=sigmas.dtype)
    squared = (pixels[:, None] - pixels) ** 2
    weights = torch.exp(squared * (-0.5 / sigmas.clamp(min=_SMALLEST_SIGMA) ** 2)[:, None, None])
    return weights / weights.sum(2, keepdim=True)


def detail(sigmas: Tensor, amounts: Tensor, *, length: int) -> Tensor:
    """(N, length, length): scale detail finer than ``sigmas`` by ``1 + amounts``; -1 blurs, 0 keeps, > 0 sharpens."""
    identity = torch.eye(length, device=sigmas.device)
    return identity + amounts[:, None, None] * (identity - blurs(sigmas, length=length))


def reductions(sides: Tensor, *, length: int, averaging: Tensor, enlarging: Tensor) -> Tensor:
    """(N, length, length): shrink to ``sides`` (N,) whole pixels and enlarge again.

    Args:
        sides: (N,) 1 .. length.
        length: pixels of the picture.
        averaging: (N,) bool: shrink by area; otherwise by linear samples, which alias.
        enlarging: (N,) int: 0 nearest, 1 linear, 2 cubic.
    """
    cells = torch.arange(length, device=sides.device, dtype=torch.float32)
    ratio = (length / sides)[:, None]
    edges = cells * ratio  # start of each cell of the small picture
    overlap = torch.minimum(edges + ratio, torch.full_like(edges, length))[..., None].minimum(cells + 1)
    area = (overlap - torch.maximum(edges[..., None], cells)).clamp(min=0) / ratio[..., None]
    sampled = _triangle(((cells + 0.5) * ratio - 0.5).clamp(0, length - 1)[..., None] - cells)
    down = torch.where(averaging[:, None, None], area, sampled)
    positions = (cells + 0.5) / ratio - 0.5
    last = (sides - 1)[:, None]
    near = positions.round().clamp(min=0).minimum(last)
    linear = positions.clamp(min=0).minimum(last)
    up = torch.zeros_like(area)
    for kind, weights in enumerate((_triangle(near[..., None] - cells), _triangle(linear[..., None] - cells))):
        up += weights * (enlarging == kind)[:, None, None]
    up += _cubic(linear[..., None] - cells) * (cells <= last)[:, None] * (enlarging == 2)[:, None, None]
    return torch.bmm(up / up.sum(2, keepdim=True), down)


@cache
def between_knots(knots: int, *, length: int, device: torch.device) -> Tensor:
    """(length, knots): cubic interpolation between knots; the outermost knots are the border pixels."""
    unit = torch.eye(knots, device=device)[None, :, :, None]
    curves = functional.interpolate(unit, size=(length, 1), mode="bicubic", align_corners=True)
    return curves[0, :, :, 0].T.contiguous()


def _interpolation(positions: Tensor, *, length: int, kernel: Callable[[Tensor], Tensor], reach: int) -> Tensor:
    """(N, size, length) weights of a kernel at positions (N, size); weights outside go to the border pixel."""
    cells = torch.arange(-reach, length + reach, device=positions.device)
    weights = kernel(positions.clamp(1 - reach, length - 2 + reach)[..., None] - cells)
    inside = weights[..., reach : length + reach].clone()
    inside[..., 0] += weights[..., :reach].sum(2)
    inside[..., -1] += weights[..., length + reach :].sum(2)
    return inside


def _triangle(distances: Tensor) -> Tensor:
    return (1 - distances.abs()).clamp(min=0)


def _cubic(distances: Tensor) -> Tensor:
    """Keys, 1981, "Cubic convolution interpolation for digital image processing"."""
    x = distances.abs()
    near = ((_KEYS + 2) * x - (_KEYS + 3)) * x * x + 1
    far = ((_KEYS * x - 5 * _KEYS) * x + 8 * _KEYS) * x - 4 * _KEYS
    return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros((), device=x.device)))
