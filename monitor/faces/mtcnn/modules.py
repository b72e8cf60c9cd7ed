"""facenet-pytorch's P-, R- and O-Net, rewritten for inference runtimes.

They differ only in form (1e-5 in any output): the input is RGB 0..255, because ``(x - 127.5) / 128`` is folded into
the first convolution, which is exact without padding; and PReLU is composed of basic operations. ONNX Runtime has no
vectorised PReLU: composed, P-, R- and O-Net are 2.0, 2.6 and 2.4 times faster.
"""

import torch
from torch import Tensor, nn

from monitor.inference.facenet import facenet_pytorch


class _Rectifier(nn.Module):
    """PReLU with slopes ``a`` below zero, as ``a x + (1 - a) max(x, 0)``."""

    def __init__(self, slopes: Tensor, *, spatial_dims: int) -> None:
        super().__init__()
        self.slopes = nn.Parameter(slopes.detach().reshape(-1, *[1] * spatial_dims).clone())

    def forward(self, x: Tensor) -> Tensor:
        return self.slopes * x + (1 - self.slopes) * torch.relu(x)


class _Net(nn.Module):
    """One of facenet-pytorch's three nets, with outputs offsets, landmarks if any, (not face, face)."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        with torch.no_grad():
            weight, bias = net.get_parameter("conv1.weight"), net.get_parameter("conv1.bias")
            bias.sub_(weight.sum((1, 2, 3)) * (127.5 / 128))
            weight.div_(128)
        for name, layer in list(net.named_children()):
            if isinstance(layer, nn.PReLU):
                dims = 2 if hasattr(net, name.replace("prelu", "conv")) else 0
                setattr(net, name, _Rectifier(layer.weight, spatial_dims=dims))
        self.net = net.requires_grad_(requires_grad=False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        offsets, *landmarks, classes = self.net(pixels)
        return (classes[:, 1], offsets, *(points.unflatten(1, (2, 5)).transpose(1, 2) for points in landmarks))


def pnet() -> nn.Module:
    """The proposal net: (N, 3, H, W) -> probabilities (N, h, w), offsets (N, 4, h, w)."""
    return _Net(facenet_pytorch().PNet()).eval()


def rnet() -> nn.Module:
    """The refinement net: (N, 3, 24, 24) -> probabilities (N,), offsets (N, 4)."""
    return _Net(facenet_pytorch().RNet()).eval()


def onet() -> nn.Module:
    """The output net: (N, 3, 48, 48) -> probabilities (N,), offsets (N, 4), landmarks (N, 5, 2)."""
    return _Net(facenet_pytorch().ONet()).eval()
