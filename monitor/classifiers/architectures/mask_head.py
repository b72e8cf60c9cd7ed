"""A small head that says where a face was altered: one logit per 8 x 8 pixels of the crop.

What was pasted, redrawn or moved differs in fine detail from what surrounds it, wherever compression has not made
both alike. The classifier's maps are too coarse and too late to tell (3 x 3 cells at 160 px), so the head reads the
crop itself: the *local spectrum*, how strong each 8 x 8 cosine is around a cell, held against the whole crop's mean
and against the mirrored place. It is trained on the true masks of pseudo-fakes; its parameters lie in the weights
file under the prefix ``mask_head.``, where ``body.add_module("mask_head", MaskHead())`` puts them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from monitor.classifiers.architectures.inception_resnet_v1 import read_body, with_evidence
from monitor.errors import ModelCardError

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.classifiers.evidence_map import EvidenceNetwork

CELL: Final = 8  # pixels a side, of a cell and of a cosine
_STRIDE = 4  # pixels between the places where a spectrum is taken
_CHROMA = 4  # lowest frequencies a side that are looked at in colour
_FLOOR = 0.0025  # of a magnitude: less is rounding (a third of a grey level at a standard deviation of 128)
_LUMA_CHROMA = ((0.299, 0.587, 0.114), (-0.1687, -0.3313, 0.5), (0.5, -0.4187, -0.0813))  # ITU-R BT.601, as in JPEG
_CHANNELS = (CELL**2 - 1) + 2 * (_CHROMA**2 - 1) + 3
_HIDDEN = 48


def local_spectrum(x: Tensor) -> Tensor:
    """(N, 96, S // 8, S // 8) of crops (N, 3, S, S): log mean magnitudes of 8 x 8 cosines, and mean colours.

    63 cosines of the luma, 15 of each chroma; in fp32 whatever the precision around it, since fine detail is faint.
    """
    with torch.autocast(x.device.type, enabled=False):
        turn = torch.tensor(_LUMA_CHROMA, device=x.device)
        colours = torch.einsum("dc,nchw->ndhw", turn, x.float())
        padded = functional.pad(colours, (_STRIDE // 2,) * 4, "reflect")
        luma, chroma = _cosines(CELL, device=x.device), _cosines(_CHROMA, device=x.device)
        parts = [
            functional.conv2d(padded[:, channel : channel + 1], kernels, stride=_STRIDE)
            for channel, kernels in enumerate((luma, chroma, chroma))
        ]
        strengths = functional.avg_pool2d(torch.cat(parts, dim=1).abs(), CELL // _STRIDE)
        return torch.cat((torch.log(strengths + _FLOOR), functional.avg_pool2d(colours, CELL)), dim=1)


def _cosines(count: int, *, device: torch.device) -> Tensor:
    """(count^2 - 1, 1, 8, 8): the orthonormal DCT's lowest frequencies but the constant one."""
    steps = torch.arange(CELL, device=device)
    waves = torch.cos(math.pi * (2 * steps + 1) * steps[:count, None] / (2 * CELL)) * math.sqrt(2 / CELL)
    waves[0] /= math.sqrt(2)
    return torch.einsum("ua,vb->uvab", waves, waves).reshape(count**2, 1, CELL, CELL)[1:]


class MaskHead(nn.Module):
    """Local spectra -> logits of "this cell was altered", from 8 cells around and the whole crop's mean.

    79 thousand parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.normalise = nn.BatchNorm2d(_CHANNELS, affine=False)
        self.squeeze = nn.Conv2d(2 * _CHANNELS, _HIDDEN, kernel_size=1)
        self.compare = nn.Conv2d(3 * _HIDDEN, _HIDDEN, kernel_size=1)
        self.near, self.around, self.far = (_surroundings(dilation) for dilation in (1, 2, 4))
        self.mask = nn.Conv2d(_HIDDEN, 1, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 1, S // 8, S // 8) of crops (N, 3, S, S), normalised as the classifier's card says."""
        spectrum = self.normalise(local_spectrum(x))
        beside = spectrum - spectrum.mean((2, 3), keepdim=True)
        cells = self.squeeze(torch.cat((spectrum, beside), dim=1)).relu()
        whole = cells.mean((2, 3), keepdim=True).expand_as(cells)
        cells = self.compare(torch.cat((cells, whole, cells.flip(-1)), dim=1)).relu()
        for surroundings in (self.near, self.around, self.far):
            cells = cells + surroundings(cells)
        logits: Tensor = self.mask(cells)
        return logits


def _surroundings(dilation: int) -> nn.Sequential:
    kernel = nn.Conv2d(_HIDDEN, _HIDDEN, kernel_size=3, padding=dilation, dilation=dilation, bias=False)
    return nn.Sequential(kernel, nn.BatchNorm2d(_HIDDEN), nn.ReLU())


class MaskNetwork(nn.Module):
    """An evidence network of InceptionResnetV1 and a mask head beside it, in eval mode."""

    def __init__(self, network: EvidenceNetwork, head: MaskHead) -> None:
        super().__init__()
        self.mask_head, self.network = head, network
        self.eval()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``(logit (N,), evidence map (N, h, w), mask probability (N, h', w') in [0, 1])`` of (N, 3, S, S)."""
        logit, evidence = self.network(x)
        return logit, evidence, self.mask_head(x).sigmoid().squeeze(1)


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
