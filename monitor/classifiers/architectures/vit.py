"""A small Vision Transformer (Dosovitskiy et al., ICLR 2021; timm's), with one logit for "fake".

Tiny: patches of 16 px, 192 channels, 12 blocks, 3 heads. There is no class token: every token is normed, the
tokens are averaged, one linear layer follows. So the head is affine and the evidence map, one value per
patch, is exact: see :mod:`monitor.classifiers.evidence_map`.

The position embedding is stored for 224 px. ``body`` resamples it for each batch, so that training can vary the
input size; ``with_evidence`` resamples it once. Only the functions import torch and timm.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import torch

    from monitor.classifiers.evidence_map import EvidenceNetwork

_PATCH = 16  # pixels
ARCHITECTURE = "timm VisionTransformer, patch 16, dim 192, depth 12, heads 3, mean of normed tokens, num_classes=1"
REVISION = "1"  # increase when ``build`` changes the network for the same weights
INPUT_SIZES = range(80, 1025, _PATCH)  # sides of a crop, pixels


def body(*, dropout: float = 0.0) -> torch.nn.Module:
    """See ``Architecture.body``; S is a multiple of 16, ``dropout`` is on the 192 averaged features."""
    from monitor.inference.foreign import foreign_package

    network = foreign_package("timm").models.vision_transformer.VisionTransformer(
        img_size=224,
        patch_size=_PATCH,
        embed_dim=192,
        depth=12,
        num_heads=3,
        class_token=False,
        global_pool="avg",
        fc_norm=False,
        dynamic_img_size=True,
        num_classes=1,
        drop_rate=dropout,
    )
    return cast("torch.nn.Module", network)


def with_evidence(body: torch.nn.Module, *, input_size: int) -> EvidenceNetwork:
    """See ``Architecture.with_evidence``; the map has S/16 x S/16 cells.

    ``input_size`` is the only valid input size of the result, because the position embedding is copied for it.
    """
    from monitor.classifiers.architectures.tokens import TokenTrunk
    from monitor.classifiers.evidence_map import EvidenceNetwork

    head = cast("torch.nn.Linear", body.get_submodule("head"))
    return EvidenceNetwork(TokenTrunk(body, grid=input_size // _PATCH), weight=head.weight, bias=head.bias)


def build(weights: Path, *, input_size: int) -> EvidenceNetwork:
    """See ``Architecture.build``; the file has timm's parameter names."""
    from monitor.classifiers.weights import restore

    return with_evidence(restore(body, weights, architecture=ARCHITECTURE), input_size=input_size)
