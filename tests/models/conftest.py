"""InceptionResnetV1 with fixed random weights: parity is tested without the shipped ones."""

from __future__ import annotations

import pytest
import torch

from monitor.models.facenet import facenet_pytorch


@pytest.fixture(scope="session")
def body() -> torch.nn.Module:
    """facenet-pytorch's own network in eval mode, its BatchNorms far from the identity."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        net: torch.nn.Module = facenet_pytorch().InceptionResnetV1(classify=True, num_classes=1)
        for layer in net.modules():
            if isinstance(layer, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(layer.weight, 0.8, 1.2)
                torch.nn.init.uniform_(layer.bias, -0.1, 0.1)
                torch.nn.init.uniform_(layer.running_mean, -0.1, 0.1)
                torch.nn.init.uniform_(layer.running_var, 0.3, 0.9)
        torch.nn.init.normal_(net.logits.weight, std=2.0)  # logits and maps of a trained network's size
    return net.eval()


@pytest.fixture
def crops() -> torch.Tensor:
    """A batch of coarse patterns in the network's range, (2, 3, 224, 224)."""
    coarse = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(3)) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=(224, 224))
