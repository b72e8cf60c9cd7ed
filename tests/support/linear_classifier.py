"""An architecture that no room of the package knows: redness of a crop, as a linear layer. A plug-in for tests."""

from pathlib import Path

import torch

from monitor.classifiers.weights import restore

ARCHITECTURE = "linear redness"
REVISION = "1"
INPUT_SIZES = range(75, 257)


class _Redness(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.evidence = torch.nn.Conv2d(3, 1, 1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.evidence(pictures).mean((2, 3))


class _RednessEvidence(torch.nn.Module):
    def __init__(self, body: _Redness) -> None:
        super().__init__()
        self.evidence = body.evidence

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        coarse = torch.nn.functional.adaptive_avg_pool2d(pictures, 5)
        evidence = self.evidence(coarse)[:, 0]
        return evidence.mean((1, 2)), evidence


def body(*, dropout: float = 0.0) -> torch.nn.Module:
    return _Redness()


def with_evidence(body: torch.nn.Module, *, input_size: int) -> torch.nn.Module:
    return _RednessEvidence(body).eval()


def build(weights: Path, *, input_size: int) -> torch.nn.Module:
    return with_evidence(restore(body, weights, architecture=ARCHITECTURE), input_size=input_size)
