"""MesoNet (Afchar et al., WIFS 2018): two small networks for the mesoscopic traces of a forgery.

Written from the paper. Convolutions are followed by ReLU, BatchNorm, max pooling; the 8 x 8 x 16 values of
the last map go to a dense layer of 16 units with LeakyReLU, then to one logit; positive is fake.

The evidence map. With the last map f, the dense layer ``z_j = sum_{k,c} W_jkc f_kc + b_j`` over channels k
and cells c, and the output ``y = sum_j V_j s_j z_j + d``, the slope ``s_j`` of the LeakyReLU is 1 where
``z_j > 0`` and 0.1 elsewhere: at a given input the head is linear. With ``h w`` cells::

    E_c = h w sum_j V_j s_j sum_k W_jkc f_kc  +  sum_j V_j s_j b_j

The first term is ``h w`` times gradient x activation on the last map, summed over channels. The second term has no
cell, but changes with the input, and is spread evenly over all cells: so ``mean(E) + d = y`` exactly, with the
constant d of the last layer.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

INPUT_SIZE = 256  # pixels; fixed by the size of the dense layer
_CELLS = 8
_WIDTH = 16  # channels of the last map, and units of the dense layer
_SLOPE = 0.1  # of the LeakyReLU, below zero
_EPSILON = 1e-3  # of the BatchNorms: the published weights were trained with Keras' default


class Inception(nn.Module):
    """Parallel 1x1 and 3x3 convolutions (the latter after 1x1 ones) with dilations 1, 2 and 3, ReLU after each.

    Args:
        outputs: channels of the four branches: (a, b, c, d) of the paper.
    """

    def __init__(self, inputs: int, outputs: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.point = _convolution(inputs, outputs[0], side=1)
        self.near = nn.Sequential(_convolution(inputs, outputs[1], side=1), _convolution(outputs[1], outputs[1]))
        self.wide = nn.Sequential(
            _convolution(inputs, outputs[2], side=1), _convolution(outputs[2], outputs[2], dilation=2)
        )
        self.wider = nn.Sequential(
            _convolution(inputs, outputs[3], side=1), _convolution(outputs[3], outputs[3], dilation=3)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) -> (N, sum of outputs, h, w)."""
        return torch.cat([self.point(x), self.near(x), self.wide(x), self.wider(x)], dim=1)


class MesoNet(nn.Module):
    """Four blocks and a dense head.

    Args:
        blocks: each block's convolution or inception module, its channels, and the pooling after it.
        dropout: probability, before each of the two dense layers; 0.5 in the paper.
    """

    last_map_shape = (_WIDTH, _CELLS, _CELLS)

    def __init__(self, blocks: Sequence[tuple[nn.Module, int, int]], *, dropout: float) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *(
                nn.Sequential(convolutions, nn.BatchNorm2d(channels, eps=_EPSILON), nn.MaxPool2d(pool))
                for convolutions, channels, pool in blocks
            )
        )
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(_WIDTH * _CELLS * _CELLS, _WIDTH)
        self.logit = nn.Linear(_WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 1) of a batch (N, 3, 256, 256)."""
        z = self.dense(self.dropout(self.trunk(x).flatten(1)))
        logits: Tensor = self.logit(self.dropout(nn.functional.leaky_relu(z, _SLOPE)))
        return logits


class MesoEvidence(nn.Module):
    """A MesoNet with the evidence map of this module's docstring, in eval mode; the trunk is shared."""

    bias: Tensor  # d, ()
    outgoing: Tensor  # V, (1, 16)

    def __init__(self, network: MesoNet) -> None:
        super().__init__()
        self.trunk, self.dense = network.trunk, network.dense
        self.register_buffer("outgoing", network.logit.weight.detach().clone())
        self.register_buffer("bias", network.logit.bias.detach().clone().view(()))
        self.eval()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(logit (N,), evidence map (N, 8, 8))`` of a batch (N, 3, 256, 256); logit = mean(map) + bias."""
        last_map = self.trunk(x)
        flat = last_map.flatten(1)
        slopes = torch.where(self.dense(flat) > 0, 1.0, _SLOPE) * self.outgoing  # V_j s_j, (N, 16)
        shares = (slopes @ self.dense.weight * flat).view_as(last_map).sum(1)
        everywhere = slopes @ self.dense.bias
        evidence = shares * _CELLS**2 + everywhere[:, None, None]
        return evidence.mean((1, 2)) + self.bias, evidence


def meso4(*, dropout: float) -> MesoNet:
    """Four plain convolutions."""
    first = [(_convolution(3, 8), 8, 2), (_convolution(8, 8, side=5), 8, 2)]
    return MesoNet([*first, *_last_blocks(8)], dropout=dropout)


def mesoinception4(*, dropout: float) -> MesoNet:
    """Two inception modules, then two plain convolutions."""
    first = [(Inception(3, (1, 4, 4, 2)), 11, 2), (Inception(11, (2, 4, 4, 2)), 12, 2)]
    return MesoNet([*first, *_last_blocks(12)], dropout=dropout)


def _last_blocks(inputs: int) -> list[tuple[nn.Module, int, int]]:
    return [
        (_convolution(inputs, _WIDTH, side=5), _WIDTH, 2),
        (_convolution(_WIDTH, _WIDTH, side=5), _WIDTH, 4),
    ]


def _convolution(inputs: int, outputs: int, *, side: int = 3, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (side // 2)
    return nn.Sequential(nn.Conv2d(inputs, outputs, side, padding=padding, dilation=dilation), nn.ReLU())
