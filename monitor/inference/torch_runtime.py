"""PyTorch, eager, fp32, on the CPU: the reference implementation for the parity tests."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Self

from monitor.errors import EngineError
from monitor.inference.network import Network
from monitor.types import Floats, Pixels

if TYPE_CHECKING:
    import torch


class TorchEngine:
    """A module without compilation."""

    name = "torch-fp32"

    def __init__(self, module: torch.nn.Module, *, network: str) -> None:
        self._module = module
        self._network = network

    def run(self, batch: Pixels | Floats) -> tuple[Floats, ...]:
        """One forward pass; see ``Engine.run``."""
        import torch

        try:
            with torch.inference_mode():
                return tuple(output.numpy() for output in self._module(torch.from_numpy(batch)))
        except RuntimeError as error:
            raise EngineError(
                f"torch failed on {self._network} with a batch of shape {batch.shape}: {error}"
            ) from error


class TorchBackend:
    """Runs the network as built, without compilation or cache."""

    name = "torch"
    on_gpu = False
    is_serial = False

    def unavailable(self) -> str | None:
        """None if torch is installed."""
        try:
            version("torch")
        except PackageNotFoundError:
            return "torch is not installed"
        return None

    def compile(self, network: Network, *, threads: int, cache_dir: Path) -> TorchEngine:  # noqa: ARG002 - no artefact
        """An engine for ``network``; ``threads`` applies to the whole process, because torch has one thread pool."""
        reason = self.unavailable()
        if reason:
            raise EngineError(f"torch cannot run {network.name}: {reason}")
        import torch

        torch.set_num_threads(threads)
        return TorchEngine(network.build_from_pixels(), network=network.name)

    def exact(self) -> Self:
        """Itself: it computes in fp32."""
        return self
