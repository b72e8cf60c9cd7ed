"""Grad-CAM in closed form: a trunk with an affine head whose logit is the mean of an evidence map.

If the head after global average pooling is affine, ``y = M g + b`` with ``g = mean(A)`` over the last
map A, the gradient of y with respect to A is ``M_k / (h w)`` in every cell, hence Grad-CAM (Selvaraju et
al., ICCV 2017) is ``ReLU(M . A)`` up to scale. The evidence map ``E = M . A``, before the ReLU, is signed,
in logit units and complete: ``mean(E) + b = y``. It is a 1x1 convolution, so any engine computes it.

A is the last convolution's output in InceptionResnetV1 and Xception, and the averaged normed tokens of a Vision
Transformer: there E is complete as well, although attention mixes information between tokens.
MesoNet's head is piecewise linear and has its own closed form, see :mod:`monitor.classifiers.architectures.mesonet`.
"""

import torch
from torch import Tensor, nn


class EvidenceNetwork(nn.Module):
    """A trunk followed by the folded head, in eval mode.

    Args:
        trunk: (N, 3, H, W) -> the last map A (N, K, h, w).
        weight: M (K,).
        bias: b ().
    """

    bias: Tensor

    def __init__(self, trunk: nn.Module, *, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.trunk = trunk
        self.evidence = nn.Conv2d(weight.numel(), 1, kernel_size=1, bias=False)
        self.evidence.weight = nn.Parameter(weight.detach().clone().view(1, -1, 1, 1), requires_grad=False)
        self.register_buffer("bias", bias.detach().clone().view(()))
        self.eval()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(logit (N,), evidence map (N, h, w))`` of a batch (N, 3, H, W); logit = mean(map) + bias."""
        return self.head(self.trunk(x))

    def head(self, last_map: Tensor) -> tuple[Tensor, Tensor]:
        """``(logit (N,), evidence map (N, h, w))`` of the last map (N, K, h, w)."""
        evidence = self.evidence(last_map).squeeze(1)
        return evidence.mean((1, 2)) + self.bias, evidence


def fold_head(linear: nn.Linear, *, norm: nn.BatchNorm1d, classifier: nn.Linear) -> tuple[Tensor, Tensor]:
    """M (K,) and b () of the head ``y = V (D (W g) + b') + c``, fp32, folded in double precision.

    The BatchNorm is ``D = diag(gamma / sqrt(var + eps))`` in eval mode: so ``M = V D W``.

    Args:
        linear: W, without bias.
        norm: the BatchNorm after it; its running statistics are used.
        classifier: V and c, one output.
    """
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise ValueError("a BatchNorm without running statistics cannot be folded")
    with torch.no_grad():
        d = norm.weight.double() / torch.sqrt(variance.double() + norm.eps)
        v = classifier.weight.double()
        weight = (v * d) @ linear.weight.double()
        bias = v @ (norm.bias.double() - mean.double() * d) + classifier.bias.double()
    return weight.squeeze(0).float(), bias.squeeze(0).float()
