"""A CUDA GPU through PyTorch: half precision, channels last, BatchNorms folded, one CUDA graph per batch size."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.errors import EngineError
from monitor.inference.batch_buckets import BucketEngine, first_line
from monitor.inference.network import Network

if TYPE_CHECKING:
    import torch


class CudaBackend:
    """Compiles engines whose CUDA graphs are recorded with the first batch of each size.

    Args:
        exact: compute in fp32 without TF32, for MTCNN, whose boxes depend on exact arithmetic.
    """

    name = "cuda"
    on_gpu = is_serial = True

    def __init__(self, *, exact: bool = False) -> None:
        self._exact = exact

    def unavailable(self) -> str | None:
        """None if torch can use a CUDA GPU here."""
        return cuda_missing()

    def compile(self, network: Network, *, threads: int, cache_dir: Path) -> BucketEngine:  # noqa: ARG002 - no artefact
        """An engine for ``network`` on the current GPU."""
        reason = self.unavailable()
        if reason:
            raise EngineError(f"the backend cuda cannot run {network.name}: {reason}")
        import torch

        dtype = torch.float32 if self._exact else half_type()
        try:
            return cuda_engine(network, dtype=dtype)
        except RuntimeError as error:
            raise EngineError(
                f"{network.name} cannot be put on the GPU ({first_line(error)}): end other programs on the GPU, "
                "or choose the setting classifier.backend=onnxruntime"
            ) from error

    def exact(self) -> CudaBackend:
        """This GPU in fp32."""
        return self if self._exact else CudaBackend(exact=True)


def cuda_engine(network: Network, *, dtype: torch.dtype) -> BucketEngine:
    """The network on the current GPU in ``dtype``, BatchNorms folded.

    Raises:
        RuntimeError: the GPU has no memory left.
    """
    import torch

    from monitor.inference.cuda_graph_runner import DEVICE, CudaGraphRunner, CudaStreams, FreeShapeRunner, make_compute
    from monitor.inference.folding import fold_norms

    torch.backends.cudnn.allow_tf32 = False  # process-wide; only the fp32 engines of this program use it
    torch.backends.cuda.matmul.allow_tf32 = False
    module = network.build()
    fold_norms(module)
    module = module.to(DEVICE, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    compute = make_compute(network, module, dtype=dtype, layout=torch.channels_last)
    sides = network.engine_shape[1:]
    streams = CudaStreams()

    def open_runner(bucket: int) -> FreeShapeRunner | CudaGraphRunner:
        if None in sides:
            return FreeShapeRunner(compute)
        shape = (bucket, *(side for side in sides if side is not None))
        pixels = network.preprocessing is not None
        return CudaGraphRunner(compute, shape, pixels=pixels, streams=streams, record=True)

    name = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}[dtype]
    return BucketEngine(f"cuda-{name}", network=network, open_runner=open_runner, release=torch.cuda.empty_cache)


def half_type() -> torch.dtype:
    """bf16 where the GPU computes in it (compute capability 8 and later), else fp16."""
    import torch

    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


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
