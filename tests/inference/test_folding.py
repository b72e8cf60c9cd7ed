from pathlib import Path

import pytest
import torch
from support.random_weights import written
from support.small_networks import build
from torch import nn

from monitor.classifiers import load_classifier
from monitor.inference.folding import fold_norms


def norms(module: nn.Module) -> int:
    return sum(isinstance(layer, nn.BatchNorm2d) for layer in module.modules())


@pytest.mark.parametrize(
    ("name", "folded", "left"),
    [
        ("inception_resnet_v1", 111, 0),
        ("xception", 40, 0),
        ("vit", 0, 0),
        ("meso4", 0, 4),  # its norms are after the ReLU
        ("efficientnet_lite0", 49, 0),  # its norms have a built-in activation
    ],
)
def test_folded_classifiers_give_the_same_outputs(name: str, folded: int, left: int, tmp_path: Path) -> None:
    network = load_classifier(name, weights=written(name, tmp_path)).network
    module, leaner = network.build(), network.build()
    assert fold_norms(leaner) == folded
    assert norms(leaner) == left
    batch = torch.randn(2, *(side or 1 for side in network.input_shape[1:]), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        for ours, theirs in zip(leaner(batch), module(batch), strict=True):
            torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=1e-5)


def test_folding_keeps_the_shipped_logits() -> None:
    network = load_classifier().network
    module, leaner = network.build(), network.build()
    assert fold_norms(leaner) == norms(module) > 0
    batch = torch.randn(3, *(side or 1 for side in network.input_shape[1:]), generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        torch.testing.assert_close(leaner(batch)[0], module(batch)[0], atol=1e-4, rtol=0)


class Shared(nn.Module):
    """A convolution with a second consumer, and one that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.twice, self.other = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.seen(x)
        return self.norm(y) + y + self.other(self.twice(x)) + self.twice(y)


def test_a_convolution_with_other_consumers_is_not_folded() -> None:
    module = Shared().eval()
    assert fold_norms(module) == 0
    assert norms(module) == 2


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.norm(self.conv(x))
        return y if y.sum() > 0 else -y


def test_a_module_that_cannot_be_traced_is_unchanged() -> None:
    module = Branches().eval()
    assert fold_norms(module) == 0
    assert norms(module) == 1


def test_parameters_keep_no_gradient() -> None:
    module = build().requires_grad_(requires_grad=False)
    assert fold_norms(module) == 2
    assert not any(parameter.requires_grad for parameter in module.parameters())
