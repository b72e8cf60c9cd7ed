"""A small classifier of crops with fixed random weights, built by name so that a child process can build it."""

import numpy as np
import torch

from monitor.inference.network import Network, Preprocessing
from monitor.types import Pixels

SIDE = 32  # of a crop, pixels


class SmallClassifier(torch.nn.Module):
    """Two convolutions with BatchNorms with non-trivial statistics; mean(map) + 0.3 = logit."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = torch.nn.Conv2d(3, 8, 3, stride=2, bias=False), torch.nn.BatchNorm2d(8)
        self.conv2, self.norm2 = torch.nn.Conv2d(8, 8, 3, stride=2), torch.nn.BatchNorm2d(8)
        self.head = torch.nn.Conv2d(8, 1, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.relu(self.norm1(self.conv1(x)))
        evidence = self.head(torch.relu(self.norm2(self.conv2(x)))).squeeze(1)
        return evidence.mean((1, 2)) + 0.3, evidence


def build() -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        module = SmallClassifier()
        for norm in (module.norm1, module.norm2):
            torch.nn.init.uniform_(norm.running_mean, -1, 1)
            torch.nn.init.uniform_(norm.running_var, 0.2, 2)
            torch.nn.init.uniform_(norm.weight, 0.5, 2)
    return module.eval()


def reference_crops() -> Pixels:
    """Thirty crops; not of faces."""
    return np.random.default_rng(0).integers(0, 255, (30, SIDE, SIDE, 3), np.uint8)


def small_classifier(*, digest: str = "5" * 64) -> Network:
    """Takes crops of 32 pixels."""
    return Network(
        "small-32",
        digest,
        build,
        (None, 3, SIDE, SIDE),
        ("logit", "evidence_map"),
        Preprocessing(127.5, 128.0),
        reference_crops=reference_crops,
    )
