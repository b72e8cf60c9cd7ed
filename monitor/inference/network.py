"""The input of a backend: a network's builder, shapes and identity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.types import Pixels

if TYPE_CHECKING:
    import torch

Shape = tuple[int | None, int | None, int | None, int | None]  # None: free


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """``(x - mean) / std`` of uint8 pixels."""

    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class Network:
    """A frozen network with fixed weights.

    ``build`` imports torch and returns the module in eval mode, fp32, on the CPU; its forward takes
    one float32 tensor of ``input_shape`` (None = dynamic) and returns a tuple named by ``outputs``.
    It can be pickled, because a child process may build the module.
    ``digest`` identifies weights, architecture and preprocessing: a compiled artefact is valid for exactly one digest.

    An engine has the input of ``build_from_pixels``: with ``preprocessing``, uint8 crops (N, H, W, C) RGB, normalised
    in the engine's graph or on its device; without, float32 (N, C, H, W).

    An int8 engine needs ``ranges`` and must agree with fp32 on ``reference_crops``.
    """

    name: str  # "mtcnn_pnet", "inception_resnet_v1-160"
    digest: str  # hex SHA-256 over weights, architecture, revision and preprocessing
    build: Callable[[], torch.nn.Module]
    input_shape: Shape  # N C H W, input of the module from ``build``
    outputs: tuple[str, ...]
    preprocessing: Preprocessing | None = None
    ranges: Callable[[], Mapping[str, tuple[float, float]]] | None = None  # activation -> lowest, highest; may raise
    reference_crops: Callable[[], Pixels] | None = None  # real face crops for the parity test; None: there are none

    @property
    def engine_shape(self) -> Shape:
        """Input shape of an engine: N H W C with ``preprocessing``, else ``input_shape``."""
        n, channels, height, width = self.input_shape
        return self.input_shape if self.preprocessing is None else (n, height, width, channels)

    def build_from_pixels(self) -> torch.nn.Module:
        """``build()``, preceded by the preprocessing if there is one: (N, H, W, C) uint8 -> the same outputs."""
        if self.preprocessing is None:
            return self.build()
        from monitor.inference.pixels import FromPixels

        return FromPixels(self.build(), mean=self.preprocessing.mean, std=self.preprocessing.std).eval()
