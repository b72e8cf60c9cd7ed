"""Meso4 and MesoInception4 (Afchar et al., WIFS 2018) for the registry; ``mesonet`` defines their layers.

Only the methods import torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import torch

    from monitor.classifiers.architectures.mesonet import MesoEvidence, MesoNet


@dataclass(frozen=True, slots=True)
class Meso:
    """One of the two architectures."""

    ARCHITECTURE: str  # the name on model cards
    inception: bool  # True: the first two blocks are inception modules; False: plain convolutions
    REVISION: str = "1"  # increase when ``build`` changes the network for the same weights
    INPUT_SIZES: range = range(256, 257)  # sides of a crop, pixels

    def body(self, *, dropout: float = 0.0) -> MesoNet:
        """The network with random weights, in train mode: (N, 3, 256, 256) -> logits (N, 1).

        Args:
            dropout: probability, before both dense layers; 0.5 in the paper.
        """
        from monitor.classifiers.architectures import mesonet

        return (mesonet.mesoinception4 if self.inception else mesonet.meso4)(dropout=dropout)

    def with_evidence(self, body: torch.nn.Module, *, input_size: int) -> MesoEvidence:  # noqa: ARG002 - only one size
        """``body`` with the evidence map: (N, 3, 256, 256) -> (logit (N,), map (N, 8, 8)), mean(map) + bias = logit.

        The layers are shared with the body and set to eval mode; the last layer is copied.
        """
        from monitor.classifiers.architectures.mesonet import MesoEvidence

        return MesoEvidence(cast("MesoNet", body))

    def build(self, weights: Path, *, input_size: int) -> MesoEvidence:
        """The network in eval mode, fp32, on the CPU: (N, 3, 256, 256) -> (logit (N,), evidence map (N, 8, 8)).

        Args:
            weights: safetensors file with the parameter names of ``body()``, fp16 or fp32.
            input_size: 256, pixels.

        Raises:
            ModelCardError: the file's tensors do not match this architecture.
        """
        from monitor.classifiers.weights import restore

        return self.with_evidence(restore(self.body, weights, architecture=self.ARCHITECTURE), input_size=input_size)


MESO4 = Meso("Meso4, one logit, positive = fake", inception=False)
MESOINCEPTION4 = Meso("MesoInception4, one logit, positive = fake", inception=True)
