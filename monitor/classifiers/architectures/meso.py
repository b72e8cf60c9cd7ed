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
        """See ``Architecture.body``; ``dropout`` is before both dense layers, 0.5 in the paper."""
        from monitor.classifiers.architectures import mesonet

        return (mesonet.mesoinception4 if self.inception else mesonet.meso4)(dropout=dropout)

    def with_evidence(self, body: torch.nn.Module, *, input_size: int) -> MesoEvidence:  # noqa: ARG002 - only one size
        """See ``Architecture.with_evidence``; the map has 8 x 8 cells."""
        from monitor.classifiers.architectures.mesonet import MesoEvidence

        return MesoEvidence(cast("MesoNet", body))

    def build(self, weights: Path, *, input_size: int) -> MesoEvidence:
        """See ``Architecture.build``; the file has the parameter names of ``body()``."""
        from monitor.classifiers.weights import restore

        return self.with_evidence(restore(self.body, weights, architecture=self.ARCHITECTURE), input_size=input_size)


MESO4 = Meso("Meso4, one logit, positive = fake", inception=False)
MESOINCEPTION4 = Meso("MesoInception4, one logit, positive = fake", inception=True)
