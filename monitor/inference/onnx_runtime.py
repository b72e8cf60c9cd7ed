"""ONNX Runtime, fp32: the default engine on a CPU; on a GPU only by name, if its build has CUDA."""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Self

from monitor.errors import EngineError
from monitor.inference.network import Network
from monitor.inference.onnx_graph import INPUT, onnx_graph
from monitor.types import Floats, Pixels

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read at import; newer builds send telemetry

CPU: Final = "CPUExecutionProvider"
CUDA: Final = "CUDAExecutionProvider"


class OnnxRuntimeEngine:
    """One session; calls from several threads are safe."""

    def __init__(
        self,
        session: Any,  # noqa: ANN401 - untyped library
        *,
        network: str,
        outputs: Sequence[str],
        name: str = "onnxruntime-fp32",
    ) -> None:
        self.name = name
        self._session = session
        self._network = network
        self._outputs = list(outputs)

    def run(self, batch: Pixels | Floats) -> tuple[Floats, ...]:
        """One forward pass; see ``Engine.run``."""
        try:
            return tuple(self._session.run(self._outputs, {INPUT: batch}))
        except Exception as error:
            raise EngineError(
                f"ONNX Runtime failed on {self._network} with a batch of shape {batch.shape}: {error}"
            ) from error


class OnnxRuntimeBackend:
    """Compiles engines from the cached ONNX graph in a fraction of a second.

    Args:
        provider: ``CPU`` or ``CUDA``.
    """

    def __init__(self, provider: str = CPU) -> None:
        self._provider = provider
        self.name = "onnxruntime-cuda" if provider == CUDA else "onnxruntime"
        self.on_gpu = self.is_serial = provider == CUDA

    def unavailable(self) -> str | None:
        """None if onnxruntime is installed with the requested provider."""
        spec = find_spec("onnxruntime")
        if spec is None:
            return "onnxruntime is not installed"
        folders = map(Path, spec.submodule_search_locations or ())
        if self._provider == CPU or any(list(folder.glob("capi/*onnxruntime_providers_cuda*")) for folder in folders):
            return None
        return "this build of onnxruntime has no CUDA; install onnxruntime-gpu in its place"

    def compile(self, network: Network, *, threads: int, cache_dir: Path) -> OnnxRuntimeEngine:
        """An engine for ``network``, see ``session``."""
        graph = onnx_graph(network, cache_dir=cache_dir)
        made = session(graph, network=network.name, threads=threads, provider=self._provider)
        return OnnxRuntimeEngine(made, network=network.name, outputs=network.outputs, name=f"{self.name}-fp32")

    def exact(self) -> Self:
        """Itself: it computes in fp32."""
        return self


def session(model: Path | bytes, *, network: str, threads: int, provider: str = CPU) -> Any:  # noqa: ANN401 - untyped library
    """An inference session on ``threads`` CPU threads that sleep between calls, or on a GPU.

    The memory pattern is off: it stores a plan for every input shape (P-Net has many), and measurements show no gain.

    Raises:
        EngineError: ONNX Runtime refuses the model, or would fall back to the CPU.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False
    options.log_severity_level = 4  # errors are raised, not printed
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    graph = model if isinstance(model, bytes) else str(model)
    exact = {"use_tf32": "0"} if provider == CUDA else {}  # the 10-bit mantissa of TF32 would move boxes
    try:
        made = onnxruntime.InferenceSession(graph, options, providers=[(provider, exact)])
    except Exception as error:
        raise EngineError(f"ONNX Runtime {onnxruntime.__version__} cannot compile {network}: {error}") from error
    if made.get_providers()[0] != provider:
        raise EngineError(
            f"ONNX Runtime {onnxruntime.__version__} cannot use the GPU here and fell back to the CPU: refused"
        )
    return made
