"""TensorRT through torch-tensorrt, fp16: the fastest engine on an NVIDIA GPU, built once per GPU.

``build`` takes minutes. Its result is in the engine cache and is valid for exactly one network, one set of library
versions, one GPU and one driver. The module sets the precision, because torch-tensorrt's own option is refused by 2.11
and ignored by 2.13.

This module imports torch and torch_tensorrt only to build or load an engine.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from monitor.errors import EngineError, OutputError, UsageError
from monitor.inference import cache
from monitor.inference.batch_buckets import BucketEngine, first_line
from monitor.inference.cuda import CudaBackend, cuda_missing
from monitor.inference.network import Network
from monitor.inference.parity import require_parity
from monitor.system.files import alone_in

if TYPE_CHECKING:
    import torch

LARGEST_BATCH: Final = 64
USUAL_BATCH: Final = 8  # batch size that TensorRT optimises for
# each runner needs its own copy of the engine, because each records its own CUDA graph
TENSORRT_BUCKETS: Final = (1, 4, 16, 64)
MIN_FREE_BYTES: Final = 256 << 20  # free disk space required before a build, bytes
SUFFIX: Final = ".pt2"
_PACKAGES: Final = ("torch_tensorrt", "tensorrt")
_REVISION: Final = "1"  # increase when this module changes the engine of a network

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """The device of an engine; any different value needs a different engine."""

    gpu: str  # "NVIDIA H100 80GB HBM3"
    capability: str  # "9.0"
    driver: str  # "580.65.06"
    device: str = "cuda"  # torch's name
    dtype: str = "float16"  # torch's name

    @classmethod
    def here(cls) -> Self:
        """The current GPU of this process."""
        import torch

        major, minor = torch.cuda.get_device_capability()
        return cls(gpu=torch.cuda.get_device_name(), capability=f"{major}.{minor}", driver=driver_version())


class TensorRtBackend:
    """Builds and loads TensorRT engines of networks whose only free size is the batch.

    Args:
        target: default: the current GPU, detected when first needed.
    """

    name = "tensorrt"
    on_gpu = is_serial = True

    def __init__(self, target: Target | None = None) -> None:
        self._target = target

    def unavailable(self) -> str | None:
        """None if there is a CUDA GPU and torch-tensorrt is installed; a failing import shows only at compilation."""
        missing = cuda_missing()
        if missing:
            return missing
        installed = packages_distributions()
        absent = [name for name in _PACKAGES if name not in installed]
        return f"{absent[0]} is not installed (pip install deepfake-monitor[gpu])" if absent else None

    def target(self) -> Target:
        """The device for which this backend builds engines."""
        return self._target or Target.here()

    def compile(self, network: Network, *, threads: int, cache_dir: Path) -> BucketEngine:
        """The engine from the cache, or a new one (minutes); compared with fp32 on ``threads`` threads.

        Raises:
            EngineError: the engine cannot be built, stored or loaded here, or fails the parity test.
        """
        reason = self.unavailable()
        if reason:
            raise EngineError(f"the backend tensorrt cannot run {network.name}: {reason}")
        engine = self.cached(network, cache_dir=cache_dir)
        if engine is None:
            _log.warning("building a TensorRT engine for %s: this takes minutes, once", network.name)
            build(network, self.target(), cache_dir=cache_dir, on_step=lambda step: _log.info("%s", step))
            engine = self.cached(network, cache_dir=cache_dir)
        if engine is None:
            raise EngineError(f"the TensorRT engine of {network.name} was built but cannot be loaded: see the log")
        found = require_parity(engine, network, threads=threads, cache_dir=cache_dir)
        _log.info("%s may be used: %s", engine.name, found)
        return engine

    def cached(self, network: Network, *, cache_dir: Path) -> BucketEngine | None:
        """The engine from the cache; None without one for exactly this network, GPU, driver and library versions.

        An engine that cannot be loaded is removed, so that it is built again.

        Raises:
            EngineError: torch-tensorrt cannot be imported, or the GPU has no memory left.
        """
        target = self.target()
        path = cache.lookup(engine_key(network, target), folder=cache_dir, suffix=SUFFIX)
        if path is None:
            return None
        library = torch_tensorrt()
        try:
            return _load(library, path, network, target)
        except Exception as error:  # TensorRT's errors have no common type
            if "out of memory" in str(error).lower():
                raise EngineError(
                    f"the GPU has no memory left for the TensorRT engine: end other programs ({first_line(error)})"
                ) from error
            _log.warning("the TensorRT engine %s cannot be loaded (%s): it is built again", path, first_line(error))
            cache.discard(path)
            return None

    def exact(self) -> CudaBackend:
        """The fp32 backend of the same GPU."""
        return CudaBackend(exact=True)


def build(network: Network, target: Target, *, cache_dir: Path, on_step: Callable[[str], None]) -> Path:
    """Build the engine of ``network`` and store it (minutes).

    Args:
        network: its only free size must be the batch.
        target: the GPU of this process.
        cache_dir: the engine cache; only one process builds there at a time.
        on_step: called with a short description at the start of each step.

    Raises:
        EngineError: the engine cannot be built or stored, or another process is building.
    """
    key = engine_key(network, target)
    try:
        with alone_in(cache_dir / "building"):
            _require_space(cache_dir)
            library = torch_tensorrt()
            on_step("tracing the network")
            program, example, batch = _trace(network, target)
            on_step("TensorRT chooses its kernels")
            module = _compile(library, program, network, target)

            on_step("writing the engine")
            content = io.BytesIO()  # torch's own file writer aborts the process on a full disk
            shapes = ({0: batch},)
            library.save(module, content, output_format="exported_program", arg_inputs=[example], dynamic_shapes=shapes)
            return cache.store(key, lambda path: path.write_bytes(content.getbuffer()), folder=cache_dir, suffix=SUFFIX)
    except UsageError as error:
        raise EngineError(
            f"another process is building a TensorRT engine in {cache_dir}: it is there at the next start"
        ) from error
    except EngineError:
        raise
    except OutputError as error:
        raise EngineError(str(error)) from error
    except OSError as error:
        raise EngineError(_space_error(cache_dir, error.strerror or str(error))) from error
    except Exception as error:
        raise EngineError(f"TensorRT cannot build an engine for {network.name}: {first_line(error)}") from error


def engine_key(network: Network, target: Target) -> cache.ArtefactKey:
    """The inputs of an engine; the network's digest covers weights, architecture and input size."""
    installed = packages_distributions()  # the package may be called tensorrt-cu13
    facts = {
        "torch": version("torch"),
        **{name: version(min(installed[name])) for name in _PACKAGES},
        "gpu": target.gpu,
        "capability": target.capability,
        "driver": target.driver,
        "dtype": target.dtype,
        "batch": f"1-{LARGEST_BATCH}, best at {USUAL_BATCH}",
        "revision": _REVISION,
    }
    return cache.ArtefactKey(network.name, network.digest, facts)


def torch_tensorrt() -> Any:  # noqa: ANN401 - untyped library
    """Import the library. A failing import prints, and raises a bare Exception.

    Raises:
        EngineError: the library cannot be imported.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            import torch_tensorrt as library
    except Exception as error:
        raise EngineError(f"torch_tensorrt is installed but cannot be imported: {first_line(error)}") from error
    return library


def driver_version() -> str:
    """Version of NVIDIA's kernel driver from NVML; "unknown" without NVML."""
    try:
        nvml = ctypes.CDLL("nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1")
        text = ctypes.create_string_buffer(96)
        if nvml.nvmlInit_v2() or nvml.nvmlSystemGetDriverVersion(text, len(text)):
            return "unknown"
        nvml.nvmlShutdown()
    except (OSError, AttributeError):
        return "unknown"
    return text.value.decode()


def _trace(network: Network, target: Target) -> tuple[torch.export.ExportedProgram, torch.Tensor, Any]:
    """The network traced in half precision, an example input, and the free batch dimension."""
    import torch

    free, *sides = network.input_shape
    if free is not None or None in sides:
        raise EngineError(f"{network.name} has other free sizes than its batch: it is run by the backend cuda")
    dtype = getattr(torch, target.dtype)
    module = network.build().to(target.device, dtype)
    example = torch.zeros((USUAL_BATCH, *sides), dtype=dtype, device=target.device)  # type: ignore[arg-type]
    batch = torch.export.Dim("batch", min=1, max=LARGEST_BATCH)
    with torch.no_grad():
        return torch.export.export(module, (example,), dynamic_shapes=({0: batch},)), example, batch


def _compile(library: Any, program: Any, network: Network, target: Target) -> Any:  # noqa: ANN401 - untyped library
    import torch

    _, *sides = network.input_shape
    given = library.Input(
        min_shape=(1, *sides),
        opt_shape=(USUAL_BATCH, *sides),
        max_shape=(LARGEST_BATCH, *sides),
        dtype=getattr(torch, target.dtype),
    )
    return library.dynamo.compile(program, arg_inputs=[given], require_full_compilation=True, min_block_size=1)


def _load(library: Any, path: Path, network: Network, target: Target) -> BucketEngine:  # noqa: ANN401 - untyped library
    """An engine with one runner per bucket; opens the smallest one, so that an unusable file fails here."""
    import torch

    from monitor.inference.cuda_graph_runner import CudaGraphRunner, CudaStreams, make_compute

    dtype = getattr(torch, target.dtype)
    sides = tuple(side for side in network.engine_shape[1:] if side is not None)
    streams = CudaStreams()

    def open_runner(bucket: int) -> CudaGraphRunner:
        module = library.load(str(path)).module()
        recorded = library.runtime.enable_cudagraphs(module).__enter__()  # lasts as long as the runner
        compute = make_compute(network, recorded, dtype=dtype, layout=torch.contiguous_format)
        pixels = network.preprocessing is not None
        return CudaGraphRunner(compute, (bucket, *sides), pixels=pixels, streams=streams, record=False)

    name = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32"}[target.dtype]
    engine = BucketEngine(
        f"tensorrt-{name}",
        network=network,
        open_runner=open_runner,
        release=torch.cuda.empty_cache,
        buckets=TENSORRT_BUCKETS,
    )
    engine.open(TENSORRT_BUCKETS[0])
    return engine


def _require_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE_BYTES:
        raise EngineError(_space_error(folder, f"{free >> 20} MB are free, {MIN_FREE_BYTES >> 20} are needed"))


def _space_error(folder: Path, why: str) -> str:
    return (
        f"the TensorRT engine cannot be stored in {folder} ({why}): free space there, or choose another folder with "
        "the setting cache_dir"
    )
