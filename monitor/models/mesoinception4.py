"""MesoInception4 (Afchar et al., WIFS 2018): inception modules, then convolutions; see :mod:`monitor.models.mesonet`.

Torch is imported by the functions alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from monitor.models.mesonet import MesoEvidence, MesoNet

ARCHITECTURE = "MesoInception4, one logit, positive = fake"  # as cards name it
REVISION = "1"  # raised when ``build`` makes another network from the same weights
INPUT_SIZES = range(256, 257)  # sides of a crop, pixels


def body(*, dropout: float = 0.0) -> MesoNet:
    """The network with random weights, in train mode: (N, 3, 256, 256) -> logits (N, 1).

    Args:
        dropout: probability, before both dense layers; 0.5 in the paper.
    """
    from monitor.models.mesonet import mesoinception4

    return mesoinception4(dropout=dropout)


def with_evidence(body: torch.nn.Module, *, input_size: int) -> MesoEvidence:  # noqa: ARG001 - there is one size
    """``body`` with the evidence map: (N, 3, 256, 256) -> (logit (N,), map (N, 8, 8)), mean(map) + bias = logit.

    The body's layers are shared, and put into eval mode; the last layer is copied.
    """
    from monitor.models.mesonet import MesoEvidence

    return MesoEvidence(cast("MesoNet", body))


def build(weights: Path, *, input_size: int) -> MesoEvidence:
    """The network in eval mode, fp32, on the CPU: (N, 3, 256, 256) -> (logit (N,), evidence map (N, 8, 8)).

    Args:
        weights: safetensors file with the parameter names of ``body()``, fp16 or fp32.
        input_size: 256, pixels.

    Raises:
        ModelCardError: the file does not hold this architecture, exactly.
    """
    from monitor.models.weights import restored

    return with_evidence(restored(body, weights, architecture=ARCHITECTURE), input_size=input_size)
