"""A network as a backend sees it: how to build it, what it takes, and what identifies it."""

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
    It can be pickled: a child process may be the one that builds.
    ``digest`` identifies weights, architecture and preprocessing: a compiled artefact is valid for exactly one digest.

    An engine takes what ``build_from_pixels`` takes: with ``preprocessing`` the crops themselves, uint8
    (N, H, W, C) RGB, which it normalises inside its graph or on its device; without, float32 N C H W.

    An engine of fewer bits needs ``ranges``, and is used only if it agrees with fp32 on ``witnesses``.
    """

    name: str  # "mtcnn_pnet", "inception_resnet_v1-160"
    digest: str  # hex SHA-256 over weights, architecture, revision and preprocessing
    build: Callable[[], torch.nn.Module]
    input_shape: Shape  # N C H W, of what ``build`` returns
    outputs: tuple[str, ...]
    preprocessing: Preprocessing | None = None
    ranges: Callable[[], Mapping[str, tuple[float, float]]] | None = None  # activation -> lowest, highest; may raise
    witnesses: Callable[[], Pixels] | None = None  # real crops; None: nobody has any

    @property
    def engine_shape(self) -> Shape:
        """The shape of what an engine takes: N H W C with ``preprocessing``, else ``input_shape``."""
        n, channels, height, width = self.input_shape
        return self.input_shape if self.preprocessing is None else (n, height, width, channels)

    def build_from_pixels(self) -> torch.nn.Module:
        """``build()``, preceded by the preprocessing where there is one: (N, H, W, C) uint8 -> the same outputs."""
        if self.preprocessing is None:
            return self.build()
        from monitor.inference.pixels import FromPixels

        return FromPixels(self.build(), mean=self.preprocessing.mean, std=self.preprocessing.std).eval()
