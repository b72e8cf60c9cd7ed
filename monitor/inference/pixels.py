"""Crops as they are cut, uint8 and channels last, to a network's outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from monitor.inference.network import Preprocessing


class FromPixels(nn.Module):
    """A network preceded by its preprocessing: (N, H, W, C) uint8 -> what the network returns.

    Args:
        network: takes float32 (N, C, H, W).
        preprocessing: what it was trained on.
    """

    def __init__(self, network: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network = network
        self._mean, self._std = preprocessing.mean, preprocessing.std

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        planes = pixels.permute(0, 3, 1, 2).to(torch.float32)
        outputs: tuple[Tensor, ...] = self.network((planes - self._mean) / self._std)
        return outputs
