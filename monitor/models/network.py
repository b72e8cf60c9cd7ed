"""A network as a backend sees it: how to build it, and what identifies it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


@dataclass(frozen=True, slots=True)
class Network:
    """A frozen network with fixed weights.

    ``build`` imports torch and returns the module in eval mode, fp32, on the CPU; its forward takes
    one float32 tensor of ``input_shape`` (None = dynamic) and returns a tuple named by ``outputs``.
    It can be pickled: a child process may be the one that builds.
    ``digest`` identifies weights and architecture: a compiled artefact is valid for exactly one digest.
    """

    name: str  # "mtcnn_pnet", "inception_resnet_v1-160"
    digest: str  # hex SHA-256 over weights, architecture and revision
    build: Callable[[], torch.nn.Module]
    input_shape: tuple[int | None, int | None, int | None, int | None]  # N C H W
    outputs: tuple[str, ...]
