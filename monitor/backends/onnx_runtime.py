"""ONNX Runtime: the default engine on a CPU, fp32."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from monitor.backends.onnx_graph import INPUT, onnx_graph
from monitor.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from monitor.models.network import Network
    from monitor.types import Floats


class OnnxRuntimeEngine:
    """One session; calls from several threads are safe."""

    name = "onnxruntime-fp32"

    def __init__(self, session: Any, *, network: str, outputs: Sequence[str]) -> None:  # noqa: ANN401 - untyped library
        self._session = session
        self._network = network
        self._outputs = list(outputs)

    def run(self, batch: Floats) -> tuple[Floats, ...]:
        """One forward pass; see ``Engine.run``."""
        try:
            return tuple(self._session.run(self._outputs, {INPUT: batch}))
        except Exception as error:
            msg = f"ONNX Runtime failed on {self._network} with a batch of shape {batch.shape}: {error}"
            raise EngineError(msg) from error


class OnnxRuntimeBackend:
    """Makes engines from the cached ONNX graph; compiling takes a fraction of a second."""

    name = "onnxruntime"

    def unavailable(self) -> str | None:
        """None if onnxruntime is installed."""
        return None if find_spec("onnxruntime") else "onnxruntime is not installed"

    def compile(self, network: Network, *, threads: int, cache_dir: Path) -> OnnxRuntimeEngine:
        """An engine for ``network`` on ``threads`` threads that sleep, not spin, between calls.

        The memory pattern is off: it keeps a plan for every shape ever seen (P-Net sees many) and was
        measured to save no time.

        Raises:
            EngineError: the network cannot be exported or is refused.
        """
        import onnxruntime

        graph = onnx_graph(network, cache_dir=cache_dir)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False
        options.log_severity_level = 4  # failures are raised, not printed
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        model = graph if isinstance(graph, bytes) else str(graph)
        try:
            session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            msg = f"ONNX Runtime {onnxruntime.__version__} cannot compile {network.name}: {error}"
            raise EngineError(msg) from error
        return OnnxRuntimeEngine(session, network=network.name, outputs=network.outputs)
