"""Small networks with fixed random weights, so that engine tests need no shipped weights."""

import shutil
from pathlib import Path

import pytest
import torch
from support.small_classifier import SMALL

from monitor.inference.network import Network
from monitor.inference.onnx_graph import onnx_graph


class TwoHeads(torch.nn.Module):
    """Fully convolutional, with a BatchNorm with non-trivial statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.PReLU(8), torch.nn.MaxPool2d(2, ceil_mode=True)
        )
        self.head = torch.nn.Conv2d(8, 1, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        evidence = self.head(self.body(x))[:, 0]
        return evidence.mean((1, 2)), evidence


def build() -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        module = TwoHeads()
        norm = module.body[1]
        torch.nn.init.uniform_(norm.running_mean, -1, 1)
        torch.nn.init.uniform_(norm.running_var, 0.2, 2)
        torch.nn.init.uniform_(norm.weight, 0.5, 2)
    return module.eval()


TWO_HEADS = Network("two_heads", "2" * 64, build, (None, 3, None, None), ("logit", "evidence_map"))


@pytest.fixture
def two_heads() -> Network:
    """A network with a free batch, height and width."""
    return TWO_HEADS


@pytest.fixture(scope="session")
def graph_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An engine cache with the graphs of ``SMALL`` and ``TWO_HEADS``; read-only."""
    folder = tmp_path_factory.mktemp("graphs")
    for network in (SMALL, TWO_HEADS):
        onnx_graph(network, cache_dir=folder)
    return folder


@pytest.fixture
def exported(graph_folder: Path, tmp_path: Path) -> None:
    """``tmp_path`` is an engine cache with those graphs, for tests of what follows an export."""
    shutil.copytree(graph_folder, tmp_path, dirs_exist_ok=True)
