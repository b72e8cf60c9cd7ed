"""The protocols Engine and Backend, and the selection of a backend for this machine: ``choose()``."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from monitor.errors import EngineError, UnknownEngineError
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
from monitor.types.formatting import suggest


class Engine(Protocol):
    """A compiled network."""

    name: str  # stored in observations: "onnxruntime-fp32", "cuda-bf16", "tensorrt-fp16", ...

    def run(self, batch: Pixels | Floats) -> tuple[Floats, ...]:
        """One forward pass.

        Args:
            batch: C-contiguous, of the network's ``engine_shape``; N >= 1: uint8 crops if the network has a
                preprocessing, else float32.

        Returns:
            float32 arrays, in the order of ``Network.outputs``.

        Raises:
            EngineError: the runtime failed.
        """
        ...


class Backend(Protocol):
    """Compiles networks to engines."""

    name: str  # "onnxruntime", "cuda", "tensorrt", ...
    on_gpu: bool
    is_serial: bool  # True: an engine runs one call at a time; False: one call per free CPU core

    def unavailable(self) -> str | None:
        """None if this machine can run the backend, else the reason, as one clause."""
        ...

    def compile(self, network: Network, *, threads: int, cache_dir: Path) -> Engine:
        """Build an engine for ``network``, or load it from ``cache_dir``.

        Raises:
            EngineError: the engine cannot be built.
        """
        ...

    def exact(self) -> "Backend":
        """The fp32 variant of this backend (or itself), for MTCNN, whose boxes depend on exact arithmetic."""
        ...


@dataclass(frozen=True, slots=True)
class BackendSelection:
    """A selected backend with the reason, which is shown to users."""

    backend: Backend
    reason: str
    others: Mapping[str, str]  # why each other backend was not selected
    faster: TensorRtBackend | None = None  # better if its engine passes; see ``engine_upgrade``


def resampler(backend: Backend) -> type[SummedArea]:
    """The frame resampler for a backend's engines: on the GPU if the engines accept GPU tensors."""
    if not isinstance(backend, CudaBackend):
        return SummedArea
    from monitor.inference.cuda_summed_area import CudaSummedArea  # imports torch

    return CudaSummedArea


def all_backends() -> tuple[Backend, ...]:
    """All backends, available or not."""
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
    """The backend called ``name``, or for "auto" the best one: cuda on a CUDA GPU, else onnxruntime.

    If tensorrt is installed on a GPU, it is returned as ``BackendSelection.faster``: it can replace the selected
    backend once its engine is cached and passes the parity test, which needs the network.

    Raises:
        EngineError: the backend is unknown or unavailable; an explicit name has no fallback.
    """
    backends = {backend.name: backend for backend in all_backends()}
    auto = name == "auto"
    if auto:
        missing = cuda_missing()
        name = "onnxruntime" if missing else "cuda"
        reason = f"the fastest in fp32 on a CPU, and {missing}" if missing else "there is a CUDA GPU"
        preferred = f"{name} was preferred: {reason}"
    elif name in backends:
        reason = "it was asked for"
        preferred = f"{name} was asked for"
    else:
        known = ["auto", *backends]
        raise UnknownEngineError(
            f"unknown backend {name!r}: this program knows {', '.join(known)}{suggest(name, known)}"
        )
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
