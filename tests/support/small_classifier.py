"""A classifier of a few convolutions with random weights, like the shipped one but quantised quickly."""

from functools import partial

import numpy as np
import torch

from monitor.inference.network import Network, Preprocessing
from monitor.types import Pixels

SIZE = 32


class Small(torch.nn.Module):
    """A residual block, a concatenation and a pool between convolutions; mean(map) = logit."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = torch.nn.Sequential(*(self._layer(i, 16) for i in (3, 16)))
        self.left, self.right, self.up = self._layer(16, 8), self._layer(16, 8), torch.nn.Conv2d(16, 16, 1)
        self.deep = self._layer(16, 16)
        self.evidence = torch.nn.Conv2d(16, 1, 1, bias=False)

    @staticmethod
    def _layer(i: int, o: int) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Conv2d(i, o, 3, padding=1), torch.nn.BatchNorm2d(o), torch.nn.ReLU())

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.nn.functional.max_pool2d(self.stem(x), 2)
        x = torch.relu(x + 0.2 * self.up(torch.cat((self.left(x), self.right(x)), 1)))
        evidence = self.evidence(self.deep(x))[:, 0]
        return evidence.mean((1, 2)), evidence


def build() -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return Small().eval()


def crops(count: int = 8, *, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


SMALL = Network(
    "small-32",
    "5" * 64,
    build,
    (None, 3, SIZE, SIZE),
    ("logit", "evidence_map"),
    preprocessing=Preprocessing(127.5, 128.0),
    reference_crops=partial(crops, 8),
)
