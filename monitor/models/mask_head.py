"""A small head that says where a face was blended in: one logit per cell of InceptionResnetV1's ``repeat_2``.

The evidence map has few cells (3 x 3 at 160 px), ``repeat_2`` has 8 x 8 there, 12 x 12 at 224. The head is
trained on the true masks of pseudo-fakes, beside the classifier: its parameters lie in the weights file
under the prefix ``mask_head.`` and ``body.add_module("mask_head", MaskHead())`` puts them there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from monitor.errors import ModelCardError
from monitor.models.inception_resnet_v1 import TRUNK, read_body, with_evidence

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.models.evidence import EvidenceNetwork

_TAIL = ("avgpool_1a", "dropout", "last_linear", "last_bn", "logits")
_SPLIT = TRUNK.index("repeat_2") + 1
_CHANNELS, _HIDDEN = 896, 32


class MaskHead(nn.Module):
    """1x1 convolution, ReLU, 3x3 convolution; 29 thousand parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(_CHANNELS, _HIDDEN, kernel_size=1)
        self.mask = nn.Conv2d(_HIDDEN, 1, kernel_size=3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Logits of "this cell was manipulated", (N, 1, h, w), of ``repeat_2``'s output (N, 896, h, w)."""
        logits: Tensor = self.mask(self.squeeze(features).relu())
        return logits


class MaskNetwork(nn.Module):
    """An evidence network of InceptionResnetV1 and a mask head that share one forward pass, in eval mode."""

    def __init__(self, network: EvidenceNetwork, head: MaskHead) -> None:
        super().__init__()
        layers = list(network.trunk.children())
        self.first, self.rest = nn.Sequential(*layers[:_SPLIT]), nn.Sequential(*layers[_SPLIT:])
        self.network, self.mask_head = network, head
        self.eval()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``(logit (N,), evidence map (N, h, w), mask probability (N, h', w') in [0, 1])`` of (N, 3, S, S)."""
        features = self.first(x)
        logit, evidence = self.network.head(self.rest(features))
        return logit, evidence, self.mask_head(features).sigmoid().squeeze(1)


def with_features(body: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """``body(x)``, logits (N, 1), and ``repeat_2``'s output (N, 896, h, w) of the same forward pass, for training."""
    layers = dict(body.named_children())
    for name in TRUNK[:_SPLIT]:
        x = layers[name](x)
    features = x
    for name in TRUNK[_SPLIT:]:
        x = layers[name](x)
    for name in _TAIL:
        x = layers[name](x if name != "last_linear" else x.flatten(1))
    return x, features


def with_mask(body: nn.Module, head: MaskHead, *, input_size: int) -> MaskNetwork:
    """``body`` with evidence map and mask, in eval mode; the body's trunk and the head are shared."""
    return MaskNetwork(with_evidence(body, input_size=input_size), head)


def build_with_mask(weights: Path, *, input_size: int) -> MaskNetwork:
    """``with_mask`` of the weights in a file.

    Raises:
        ModelCardError: the file does not hold InceptionResnetV1 with a mask head, exactly.
    """
    body = read_body(weights)
    head = dict(body.named_children()).get("mask_head")
    if not isinstance(head, MaskHead):
        msg = f"weights {weights} hold no mask head: train with one, or use the evidence map alone"
        raise ModelCardError(msg)
    return with_mask(body, head, input_size=input_size)
