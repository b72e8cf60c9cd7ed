"""Xception (Chollet, CVPR 2017; timm's ``legacy_xception``), the FaceForensics++ network, with one logit for "fake".

Global average pooling and one linear layer: the evidence map of the last convolution is exact, 3 x 3
cells at 96 px, 5 x 5 at 160, 7 x 7 at 224. Only the functions import torch and timm.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import torch

    from monitor.classifiers.evidence_map import EvidenceNetwork

ARCHITECTURE = "timm legacy_xception, num_classes=1"  # the name on model cards
REVISION = "1"  # increase when ``build`` changes the network for the same weights
INPUT_SIZES = range(75, 1025)  # sides of a crop, pixels
_HEAD = ("global_pool", "fc")


def body(*, dropout: float = 0.0) -> torch.nn.Module:
    """See ``Architecture.body``; ``dropout`` is on the 2048 pooled features."""
    from monitor.inference.foreign import foreign_package

    return cast(
        "torch.nn.Module", foreign_package("timm").create_model("legacy_xception", num_classes=1, drop_rate=dropout)
    )


def with_evidence(body: torch.nn.Module, *, input_size: int) -> EvidenceNetwork:  # noqa: ARG001 - supports every size
    """See ``Architecture.with_evidence``."""
    import torch

    from monitor.classifiers.evidence_map import EvidenceNetwork

    trunk = torch.nn.Sequential(*(layer for name, layer in body.named_children() if name not in _HEAD))
    head = cast("torch.nn.Linear", dict(body.named_children())["fc"])
    return EvidenceNetwork(trunk, weight=head.weight, bias=head.bias)


def build(weights: Path, *, input_size: int) -> EvidenceNetwork:
    """See ``Architecture.build``; the file has timm's parameter names."""
    from monitor.classifiers.weights import restore

    return with_evidence(restore(body, weights, architecture=ARCHITECTURE), input_size=input_size)
