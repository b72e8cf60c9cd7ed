"""A labelled fake and its original -> where it was altered, wherever the two lie on each other.

A fake is made from a video, frame by frame: around the altered face both show the same pixels, up to compression.
So what differs is what was altered; that holds only if both were cut at the same place, which the corners of the
crops tell. Such masks are what "Face X-ray" (Li et al., CVPR 2020) and Dang et al. (CVPR 2020) learn from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

_BLUR = 1 / 8  # of the side: smooth skin differs little even where it was replaced
_CORNER = 1 / 6  # of the side: where no face reaches
_ALIKE = 0.3  # of the strongest difference: corners that differ more were cut elsewhere
_NOISE = 2 / 255  # that compression leaves between equal pictures, over what the corners show
_STRONGEST = 0.95  # quantile of the differences
_CERTAIN = 0.5  # of the strongest difference: altered beyond doubt


class Difference(NamedTuple):
    """Where N fakes differ from their originals."""

    masks: Tensor  # (N, 1, S, S) float32 in [0, 1]
    known: Tensor  # (N,) bool: the two lie on each other, the mask says something


def differences(real: Tensor, fake: Tensor) -> Difference:
    """Compare pictures of the same square of the same frame, before and after it was altered.

    Args:
        real: (N, 3, S, S) float32 RGB in [0, 1], S >= 32.
        fake: the same.
    """
    size = real.shape[-1]
    width = round(size * _BLUR) | 1
    apart = (real - fake).abs().amax(1, keepdim=True)
    apart = functional.avg_pool2d(apart, width, stride=1, padding=width // 2, count_include_pad=False)
    edge = round(size * _CORNER)
    ends = slice(0, edge), slice(size - edge, size)
    corners = torch.cat([apart[:, 0, rows, columns].flatten(1) for rows in ends for columns in ends], dim=1)
    unaltered = corners.median(dim=1).values
    strongest = torch.quantile(apart.flatten(1), _STRONGEST, dim=1)
    low = (1.5 * unaltered + _NOISE)[:, None, None, None]
    high = (_CERTAIN * strongest)[:, None, None, None].maximum(low + _NOISE)
    return Difference(((apart - low) / (high - low)).clamp(0, 1), unaltered < _ALIKE * strongest)
