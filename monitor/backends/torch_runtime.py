"""PyTorch, eager: the reference on a CPU (fp32), and the engine of a CUDA GPU (bf16, channels last)."""

from __future__ import annotations

import ctypes
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Literal

from monitor.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from monitor.models.network import Network
    from monitor.types import Floats


class TorchEngine:
    """A module on one device."""

    def __init__(self, module: torch.nn.Module, *, network: str, device: Literal["cpu", "cuda"]) -> None:
        import torch

        self.name = "torch-cuda-bf16" if device == "cuda" else "torch-cpu-fp32"
        self._network = network
        self._device = device
        self._dtype = torch.bfloat16 if device == "cuda" else torch.float32
        self._layout = torch.channels_last if device == "cuda" else torch.contiguous_format
        self._module = module.to(device, self._dtype, memory_format=self._layout)  # type: ignore[call-overload]

    def run(self, batch: Floats) -> tuple[Floats, ...]:
        """One forward pass; see ``Engine.run``."""
        import torch

        try:
            with torch.inference_mode():
                pixels = torch.from_numpy(batch).to(self._device, self._dtype, memory_format=self._layout)
                return tuple(output.float().cpu().numpy() for output in self._module(pixels))
        except RuntimeError as error:
            msg = f"torch failed on {self._network} with a batch of shape {batch.shape} on {self._device}: {error}"
            raise EngineError(msg) from error


class TorchBackend:
    """Runs the network as it was built; nothing is compiled or cached.

    Args:
        device: "auto" takes a CUDA GPU if there is one.
    """

    name = "torch"

    def __init__(self, device: Literal["auto", "cpu", "cuda"] = "auto") -> None:
        self._device = device

    def unavailable(self) -> str | None:
        """None if torch is installed, and has the device that was asked for."""
        try:
            version("torch")
        except PackageNotFoundError:
            return "torch is not installed"
        return cuda_missing() if self._device == "cuda" else None

    def compile(self, network: Network, *, threads: int, cache_dir: Path) -> TorchEngine:  # noqa: ARG002 - no artefact
        """An engine for ``network``. On a CPU ``threads`` holds for the whole process: torch has one pool.

        Raises:
            EngineError: the device is not there, or out of memory.
        """
        reason = self.unavailable()
        if reason:
            msg = f"torch cannot run {network.name} on {self._device}: {reason}"
            raise EngineError(msg)
        import torch

        torch.set_num_threads(threads)
        device: Literal["cpu", "cuda"] = "cuda" if self._device != "cpu" and cuda_missing() is None else "cpu"
        try:
            return TorchEngine(network.build(), network=network.name, device=device)
        except RuntimeError as error:
            msg = f"torch cannot put {network.name} on {device}: {error}"
            raise EngineError(msg) from error


def cuda_missing() -> str | None:
    """None if torch can use a CUDA GPU here, else why not; torch is imported only where a driver is installed."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return "no NVIDIA driver on this machine"
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} is a build without CUDA"
    return None if torch.cuda.is_available() else "torch sees no CUDA GPU"
