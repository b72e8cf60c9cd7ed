"""TensorRT through torch-tensorrt, fp16: the fastest engine of an NVIDIA GPU, built once for each.

Building takes minutes and happens in ``build``; what it makes lies in the engine cache and is good for exactly one
network, one set of library versions, one GPU and one driver. Precision comes from the module: torch-tensorrt's own
option for it is refused by 2.11 and ignored by 2.13.

Nothing here imports torch or torch_tensorrt until an engine is built or loaded.
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
USUAL_BATCH: Final = 8  # rows that TensorRT optimises for
LANES: Final = (1, 4, 16, 64)  # each keeps a copy of the engine, because each records its own CUDA graph
ROOM: Final = 256 << 20  # bytes that must be free before minutes are spent on an engine
SUFFIX: Final = ".pt2"
_PACKAGES: Final = ("torch_tensorrt", "tensorrt")
_REVISION: Final = "1"  # raised when this module builds other engines from the same network

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """What an engine is built for: another value of any field is another engine."""

    gpu: str  # "NVIDIA H100 80GB HBM3"
    capability: str  # "9.0"
    driver: str  # "580.65.06"
    device: str = "cuda"  # as torch names it
    dtype: str = "float16"  # as torch names it

    @classmethod
    def here(cls) -> Self:
        """The current GPU of this process."""
        import torch

        major, minor = torch.cuda.get_device_capability()
        return cls(gpu=torch.cuda.get_device_name(), capability=f"{major}.{minor}", driver=driver_version())


class TensorRtBackend:
    """Builds and loads TensorRT engines of networks whose free size is the batch alone.

    Args:
        target: default: the current GPU, asked for when it is needed.
    """

    name = "tensorrt"
    on_gpu = takes_turns = True

    def __init__(self, target: Target | None = None) -> None:
        self._target = target

    def unavailable(self) -> str | None:
        """None if there is a CUDA GPU and torch-tensorrt is installed; whether that can be imported shows later."""
        gone = cuda_missing()
        if gone:
            return gone
        installed = packages_distributions()
        absent = [name for name in _PACKAGES if name not in installed]
        return f"{absent[0]} is not installed (pip install deepfake-monitor[gpu])" if absent else None

    def target(self) -> Target:
        """What this backend builds for."""
        return self._target or Target.here()

    def compile(self, network: Network, *, threads: int, cache_dir: Path) -> BucketEngine:
        """The engine from the cache, or built now, which takes minutes; compared with fp32 on ``threads`` threads.

        Raises:
            EngineError: it cannot be had here, built, kept or loaded, or does not agree.
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
        """The engine from the cache; None if there is none for exactly this network, GPU, driver and libraries.

        One that cannot be loaded is removed, so that it is built again.

        Raises:
            EngineError: torch-tensorrt cannot be imported, or the GPU has no memory left.
        """
        target = self.target()
        path = cache.lookup(engine_key(network, target), folder=cache_dir, suffix=SUFFIX)
        if path is None:
            return None
        library = torch_tensorrt()
        try:
            return _loaded(library, path, network, target)
        except Exception as error:  # TensorRT's errors have no common type
            if "out of memory" in str(error).lower():
                raise EngineError(
                    f"the GPU has no memory left for the TensorRT engine: end what else uses it ({first_line(error)})"
                ) from error
            _log.warning("the TensorRT engine %s cannot be loaded (%s): it is built again", path, first_line(error))
            cache.discard(path)
            return None

    def exact(self) -> CudaBackend:
        """The same GPU in fp32."""
        return CudaBackend(exact=True)


def build(network: Network, target: Target, *, cache_dir: Path, on_step: Callable[[str], None]) -> Path:
    """Build the engine of ``network`` and keep it; minutes.

    Args:
        network: its free size must be the batch alone.
        target: the GPU of this process.
        cache_dir: where it is kept; one process builds there at a time.
        on_step: told what begins, in a few words.

    Returns:
        Its file.

    Raises:
        EngineError: it cannot be built or kept, or another process is building.
    """
    key = engine_key(network, target)
    try:
        with alone_in(cache_dir / "building"):
            _require_room(cache_dir)
            library = torch_tensorrt()
            on_step("tracing the network")
            program, example, batch = _exported(network, target)
            on_step("TensorRT chooses its kernels")
            module = _compiled(library, program, network, target)

            on_step("writing the engine")
            content = io.BytesIO()  # a disk that is full ends the whole process in torch's own writer of files
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
        raise EngineError(_no_room(cache_dir, error.strerror or str(error))) from error
    except Exception as error:
        raise EngineError(f"TensorRT cannot build an engine for {network.name}: {first_line(error)}") from error


def engine_key(network: Network, target: Target) -> cache.ArtefactKey:
    """What an engine is made from: weights, architecture and size are in the network's digest."""
    installed = packages_distributions()  # TensorRT's may be called tensorrt-cu13
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
    """The library. Where it cannot be imported it prints, and raises a bare Exception.

    Raises:
        EngineError: it cannot be imported.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            import torch_tensorrt as library
    except Exception as error:
        raise EngineError(f"torch_tensorrt is installed but cannot be imported: {first_line(error)}") from error
    return library


def driver_version() -> str:
    """NVIDIA's kernel driver, as NVML tells it; "unknown" where NVML is absent."""
    try:
        nvml = ctypes.CDLL("nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1")
        text = ctypes.create_string_buffer(96)
        if nvml.nvmlInit_v2() or nvml.nvmlSystemGetDriverVersion(text, len(text)):
            return "unknown"
        nvml.nvmlShutdown()
    except (OSError, AttributeError):
        return "unknown"
    return text.value.decode()


def _exported(network: Network, target: Target) -> tuple[torch.export.ExportedProgram, torch.Tensor, Any]:
    """The network as a traced program in half precision, an input of it, and its free batch size."""
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


def _compiled(library: Any, program: Any, network: Network, target: Target) -> Any:  # noqa: ANN401 - untyped library
    import torch

    _, *sides = network.input_shape
    given = library.Input(
        min_shape=(1, *sides),
        opt_shape=(USUAL_BATCH, *sides),
        max_shape=(LARGEST_BATCH, *sides),
        dtype=getattr(torch, target.dtype),
    )
    return library.dynamo.compile(program, arg_inputs=[given], require_full_compilation=True, min_block_size=1)


def _loaded(library: Any, path: Path, network: Network, target: Target) -> BucketEngine:  # noqa: ANN401 - untyped library
    """An engine of lanes, the smallest of which is open: what cannot be loaded fails here."""
    import torch

    from monitor.inference.cuda_graph_runner import CudaGraphRunner, CudaStreams, on_device

    dtype = getattr(torch, target.dtype)
    sides = tuple(side for side in network.engine_shape[1:] if side is not None)
    streams = CudaStreams()

    def open_lane(bucket: int) -> CudaGraphRunner:
        module = library.load(str(path)).module()
        recorded = library.runtime.enable_cudagraphs(module).__enter__()  # for good: the lane lives as long
        compute = on_device(network, recorded, dtype=dtype, layout=torch.contiguous_format)
        pixels = network.preprocessing is not None
        return CudaGraphRunner(compute, (bucket, *sides), pixels=pixels, streams=streams, record=False)

    name = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32"}[target.dtype]
    engine = BucketEngine(
        f"tensorrt-{name}", network=network, open_lane=open_lane, release=torch.cuda.empty_cache, buckets=LANES
    )
    engine.open(LANES[0])
    return engine


def _require_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < ROOM:
        raise EngineError(_no_room(folder, f"{free >> 20} MB are free, {ROOM >> 20} are needed"))


def _no_room(folder: Path, why: str) -> str:
    return (
        f"the TensorRT engine cannot be kept in {folder} ({why}): free space there, or choose another folder with the "
        "setting cache_dir"
    )
