"""Compares an engine's logits and evidence maps with fp32 torch on the same crops.

On the reference crops, half precision moves a logit of the shipped weights by 0.002 (fp16) or 0.03 (bf16) at most, and
a cell of the map by 0.003 or 0.07 (docs/measurements.md). A wrongly compiled engine moves them by much more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from monitor.errors import EngineError
from monitor.inference.network import Network
from monitor.inference.torch_runtime import TorchBackend
from monitor.types import Floats, Pixels

if TYPE_CHECKING:
    from monitor.inference.backends import Engine

LOGIT_TOLERANCE: Final = 0.05  # natural log-odds
MAP_TOLERANCE: Final = 0.15  # natural log-odds, of one cell
# rows per batch, each twice: covers every bucket, padded and full, recorded and replayed, and more than the largest
BATCHES: Final = (1, 2, 3, 4, 5, 8, 16, 32, 33, 64, 65)


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest differences between an engine and the reference implementation."""

    logit: float  # natural log-odds; infinite if the engine returned no number
    evidence: float  # natural log-odds, of one cell of a map
    crops: int  # number of compared crops

    @property
    def is_close(self) -> bool:
        """Whether both differences are within their tolerances."""
        return self.logit <= LOGIT_TOLERANCE and self.evidence <= MAP_TOLERANCE

    def __str__(self) -> str:
        return (
            f"on {self.crops} faces its logits are within {self.logit:.4f} of fp32 (allowed: {LOGIT_TOLERANCE:g}), "
            f"its evidence maps within {self.evidence:.4f} (allowed: {MAP_TOLERANCE:g})"
        )


def measure_parity(engine: Engine, reference: Engine, crops: Pixels) -> Parity:
    """Compare two engines of one classifier.

    Args:
        engine: runs batches of several sizes, each more than once.
        reference: runs once.
        crops: (N, S, S, 3) uint8, real faces.

    Raises:
        EngineError: one of the engines failed.
    """
    expected = reference.run(crops)
    logit = evidence = 0.0
    first = 0
    for size in (*BATCHES, *BATCHES):
        rows = np.arange(first, first + size) % len(crops)
        first += size
        logits, maps, *_ = engine.run(np.ascontiguousarray(crops[rows]))
        logit, evidence = max(logit, _gap(logits, expected[0][rows])), max(evidence, _gap(maps, expected[1][rows]))
    return Parity(logit=logit, evidence=evidence, crops=len(crops))


def require_parity(engine: Engine, network: Network, *, threads: int, cache_dir: Path) -> Parity:
    """Compare a compiled classifier with fp32 torch on the network's reference crops.

    Raises:
        EngineError: the engine disagrees or failed, or the network has no reference crops.
    """
    if network.reference_crops is None:
        raise EngineError(f"{engine.name} is refused: there are no faces to compare it with {network.name} in fp32")
    reference = TorchBackend().compile(network, threads=threads, cache_dir=cache_dir)
    found = measure_parity(engine, reference, network.reference_crops())
    if not found.is_close:
        raise EngineError(f"{engine.name} is refused: {found}")
    return found


def _gap(found: Floats, expected: Floats) -> float:
    if found.shape != expected.shape:
        return float("inf")
    gap = float(np.abs(found - expected).max())
    return gap if np.isfinite(gap) else float("inf")
