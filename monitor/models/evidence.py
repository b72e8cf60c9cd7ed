"""Grad-CAM in closed form: a convolutional trunk and a head that explains its own logit.

After global average pooling the head is affine in eval mode, ``y = V (D (W g) + b') + c`` with the
BatchNorm as ``D = diag(gamma / sqrt(var + eps))``: so ``y = M g + b`` with ``M = V D W``. The gradient
of y with respect to the last map A is ``M_k / (h w)`` in every cell, hence Grad-CAM (Selvaraju et al.,
ICCV 2017) is ``ReLU(M . A)`` up to scale. The evidence map ``E = M . A``, before the ReLU, is signed, in
logit units and complete: ``mean(E) + b = y``. It is a 1x1 convolution, so any engine computes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence


class EvidenceNetwork(torch.nn.Module):
    """A trunk followed by the folded head.

    Args:
        trunk: layers from the input to the last map A, in order.
        linear: W, without bias.
        norm: the BatchNorm after it; its running statistics are used.
        classifier: V and c, one output.
    """

    bias: torch.Tensor

    def __init__(
        self,
        trunk: Sequence[torch.nn.Module],
        *,
        linear: torch.nn.Linear,
        norm: torch.nn.BatchNorm1d,
        classifier: torch.nn.Linear,
    ) -> None:
        super().__init__()
        weight, bias = fold_head(linear, norm=norm, classifier=classifier)
        self.trunk = torch.nn.Sequential(*trunk)
        self.evidence = torch.nn.Conv2d(weight.numel(), 1, kernel_size=1, bias=False)
        self.evidence.weight = torch.nn.Parameter(weight.view(1, -1, 1, 1), requires_grad=False)
        self.register_buffer("bias", bias)
        self.eval()

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """``(logit (N,), evidence map (N, h, w))`` of a batch (N, 3, H, W); logit = mean(map) + bias."""
        evidence = self.evidence(self.trunk(x)).squeeze(1)
        return evidence.mean((1, 2)) + self.bias, evidence


def fold_head(
    linear: torch.nn.Linear, *, norm: torch.nn.BatchNorm1d, classifier: torch.nn.Linear
) -> tuple[torch.Tensor, torch.Tensor]:
    """M (K,) and b () of the module's docstring, fp32, folded in double precision."""
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        msg = "a BatchNorm without running statistics cannot be folded"
        raise ValueError(msg)
    with torch.no_grad():
        d = norm.weight.double() / torch.sqrt(variance.double() + norm.eps)
        v = classifier.weight.double()
        weight = (v * d) @ linear.weight.double()
        bias = v @ (norm.bias.double() - mean.double() * d) + classifier.bias.double()
    return weight.squeeze(0).float(), bias.squeeze(0).float()
