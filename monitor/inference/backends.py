"""What an engine is, what makes one, and which backend suits this machine: ``choose()``."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from monitor.errors import EngineError
from monitor.inference.cuda import CudaBackend, cuda_missing
from monitor.inference.engine_upgrade import NOT_BUILT
from monitor.inference.network import Network
from monitor.inference.onnx_int8 import OnnxRuntimeInt8Backend
from monitor.inference.onnx_runtime import CUDA, OnnxRuntimeBackend
from monitor.inference.openvino_runtime import OpenVinoBackend
from monitor.inference.summed_area import SummedArea
from monitor.inference.tensorrt import TensorRtBackend
from monitor.inference.torch_runtime import TorchBackend
from monitor.types import Floats, Pixels


class Engine(Protocol):
    """A network that runs."""

    name: str  # what observations carry: "onnxruntime-fp32", "cuda-bf16", "tensorrt-fp16", ...

    def run(self, batch: Pixels | Floats) -> tuple[Floats, ...]:
        """One forward pass.

        Args:
            batch: C-contiguous, of the network's ``engine_shape``; N >= 1: uint8 crops where the network has a
                preprocessing, else float32.

        Returns:
            float32 arrays, in the order of ``Network.outputs``.

        Raises:
            EngineError: the runtime failed.
        """
        ...


class Backend(Protocol):
    """A way of making engines."""

    name: str  # "onnxruntime", "cuda", "tensorrt", ...
    on_gpu: bool
    takes_turns: bool  # one engine makes one call at a time; else a call on each of the CPU's free cores

    def unavailable(self) -> str | None:
        """None if this machine can run it, else why not, in one clause."""
        ...

    def compile(self, network: Network, *, threads: int, cache_dir: Path) -> Engine:
        """Build, or load from ``cache_dir``, an engine for ``network``.

        Raises:
            EngineError: it cannot be built.
        """
        ...

    def exact(self) -> "Backend":
        """The backend that computes the same in fp32; this one, if it does: MTCNN's boxes stay where they are."""
        ...


@dataclass(frozen=True, slots=True)
class BackendSelection:
    """A backend and why it was chosen: shown to people, never silent."""

    backend: Backend
    reason: str
    others: Mapping[str, str]  # why each of the others was not chosen
    faster: TensorRtBackend | None = None  # would be chosen if its engine were there and agreed; see ``engine_upgrade``


def resampler(backend: Backend) -> type[SummedArea]:
    """What resamples frames for a backend's engines: on the GPU, if they take what lies there."""
    if not isinstance(backend, CudaBackend):
        return SummedArea
    from monitor.inference.cuda_summed_area import CudaSummedArea  # loads torch

    return CudaSummedArea


def all_backends() -> tuple[Backend, ...]:
    """Every backend, whether it can run here or not."""
    return (
        OnnxRuntimeBackend(),
        TensorRtBackend(),
        CudaBackend(),
        TorchBackend(),
        OpenVinoBackend(),
        OnnxRuntimeInt8Backend(),
        OnnxRuntimeBackend(CUDA),
    )


def choose(name: str = "auto") -> BackendSelection:
    """The backend called ``name``, or the best one here for "auto": cuda on a CUDA GPU, else onnxruntime.

    On a GPU tensorrt is better still, where it is installed: its engine must be in the cache, and agree; so it is named
    as ``BackendSelection.faster``, and who knows the network decides.

    Raises:
        EngineError: that backend is unknown or unavailable; there is no fallback from an explicit name.
    """
    backends = {backend.name: backend for backend in all_backends()}
    auto = name == "auto"
    if auto:
        gone = cuda_missing()
        name = "onnxruntime" if gone else "cuda"
        reason = f"the fastest in fp32 on a CPU, and {gone}" if gone else "there is a CUDA GPU"
        preferred = f"{name} was preferred: {reason}"
    elif name in backends:
        reason = "it was asked for"
        preferred = f"{name} was asked for"
    else:
        raise EngineError(f"unknown backend {name!r}: this program knows auto, {', '.join(backends)}")
    chosen = backends.pop(name)
    missing = chosen.unavailable()
    if missing:
        raise EngineError(
            f"the backend {name} cannot be used: {missing}; choose another with the setting classifier.backend"
        )
    others = {other.name: other.unavailable() or preferred for other in backends.values()}
    choice = BackendSelection(backend=chosen, reason=reason, others=others)
    faster = TensorRtBackend()
    if not auto or not chosen.on_gpu or faster.unavailable():
        return choice
    return replace(choice, faster=faster, others=others | {faster.name: NOT_BUILT})
