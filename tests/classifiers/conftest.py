"""Networks with fixed random weights, so that parity tests need no shipped weights."""

from pathlib import Path

import pytest
import torch
from support.random_weights import coarse_crops, lively_body, written


@pytest.fixture(scope="session")
def bodies() -> dict[str, torch.nn.Module]:
    """Every architecture with random weights, in eval mode, created on first use."""

    class Bodies(dict[str, torch.nn.Module]):
        def __missing__(self, name: str) -> torch.nn.Module:
            self[name] = lively_body(name)
            return self[name]

    return Bodies()


@pytest.fixture(scope="session")
def body(bodies: dict[str, torch.nn.Module]) -> torch.nn.Module:
    """InceptionResnetV1 in eval mode."""
    return bodies["inception_resnet_v1"]


@pytest.fixture
def crops() -> torch.Tensor:
    """A batch of coarse patterns in the network's range, (2, 3, 224, 224)."""
    return coarse_crops(224)


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random weights and their cards by the architecture's name, created on first use; read-only."""
    folder = tmp_path_factory.mktemp("weights")

    class Pairs(dict[str, Path]):
        def __missing__(self, name: str) -> Path:
            self[name] = written(name, folder)
            return self[name]

    return Pairs()
