"""Inference engines: one Protocol, one ``choose()``; see ``docs/decisions`` for what each may claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from monitor.backends.onnx_runtime import OnnxRuntimeBackend
from monitor.backends.openvino_runtime import OpenVinoBackend
from monitor.backends.torch_runtime import TorchBackend, cuda_missing
from monitor.errors import EngineError

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


def all_backends() -> tuple[Backend, ...]:
    """Every backend, whether it can run here or not."""
    return OnnxRuntimeBackend(), TorchBackend(), OpenVinoBackend()


def choose(name: str = "auto") -> Choice:
    """The backend called ``name``, or the best one here for "auto": torch on a CUDA GPU, else onnxruntime.

    Raises:
        EngineError: that backend is unknown or unavailable; there is no fallback from an explicit name.
    """
    backends = {backend.name: backend for backend in all_backends()}
    if name == "auto":
        gone = cuda_missing()
        name = "onnxruntime" if gone else "torch"
        reason = f"the fastest on a CPU, and {gone}" if gone else "there is a CUDA GPU"
        preferred = f"{name} was preferred: {reason}"
    elif name in backends:
        reason = "it was asked for"
        preferred = f"{name} was asked for"
    else:
        msg = f"unknown backend {name!r}: this program knows auto, {', '.join(backends)}"
        raise EngineError(msg)
    chosen = backends.pop(name)
    missing = chosen.unavailable()
    if missing:
        msg = f"the backend {name} cannot be used: {missing}; choose another with the setting classifier.backend"
        raise EngineError(msg)
    others = {other.name: other.unavailable() or preferred for other in backends.values()}
    return Choice(backend=chosen, reason=reason, others=others)
