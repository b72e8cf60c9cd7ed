"""Inference engines: one Protocol, one ``choose()``; see ``docs/decisions`` for what each may claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from monitor.models.network import Network
    from monitor.types import Floats


class Engine(Protocol):
    """A network that runs."""

    name: str  # what observations carry: "onnxruntime-fp32", "torch-cuda-bf16", ...

    def run(self, batch: Floats) -> tuple[Floats, ...]:
        """One forward pass.

        Args:
            batch: float32, C-contiguous, of the network's ``input_shape``; N >= 1.

        Returns:
            float32 arrays, in the order of ``Network.outputs``.

        Raises:
            EngineError: the runtime failed.
        """
        ...


class Backend(Protocol):
    """A way of making engines."""

    name: str  # "onnxruntime", "torch", "openvino"

    def unavailable(self) -> str | None:
        """None if this machine can run it, else why not, in one clause."""
        ...

    def compile(self, network: Network, *, threads: int, cache_dir: Path) -> Engine:
        """Build, or load from ``cache_dir``, an engine for ``network``.

        Raises:
            EngineError: it cannot be built.
        """
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """A backend and why it was chosen: shown to people, never silent."""

    backend: Backend
    reason: str
    others: Mapping[str, str]  # why each of the others was not chosen


def choose(name: str = "auto") -> Choice:
    """The backend called ``name``, or the best one here for "auto".

    Raises:
        EngineError: that backend is unknown or unavailable; there is no fallback from an explicit name.
    """
    raise NotImplementedError
