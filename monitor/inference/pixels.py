"""A network with built-in normalisation: uint8 crops, channels last, to the network's outputs."""

import torch
from torch import Tensor, nn


class FromPixels(nn.Module):
    """A network preceded by ``(x - mean) / std``: (N, H, W, C) uint8 -> the network's outputs.

    Args:
        network: takes float32 (N, C, H, W).
        mean: of each channel, 0..255.
        std: of each channel, 0..255.
    """

    def __init__(self, network: nn.Module, *, mean: float, std: float) -> None:
        super().__init__()
        self.network = network
        self._mean, self._std = mean, std

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        planes = pixels.permute(0, 3, 1, 2).to(torch.float32)
        outputs: tuple[Tensor, ...] = self.network((planes - self._mean) / self._std)
        return outputs
