"""OpenVINO on a CPU, fp32: an extra (``pip install deepfake-monitor[openvino]``)."""

import logging
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self

import numpy as np

from monitor.errors import EngineError
from monitor.inference.cache import KEEP
from monitor.inference.network import Network
from monitor.inference.onnx_graph import onnx_graph
from monitor.types import Floats, Pixels

COMPILED: Final = "openvino"  # OpenVINO's own cache inside the cache folder

_log = logging.getLogger(__name__)


class OpenVinoEngine:
    """One inference request; calls from several threads run one at a time."""

    name = "openvino-fp32"

    def __init__(self, request: Any, *, network: str, outputs: int) -> None:  # noqa: ANN401 - untyped library
        self._request = request
        self._network = network
        self._outputs = outputs
        self._turn = Lock()

    def run(self, batch: Pixels | Floats) -> tuple[Floats, ...]:
        """One forward pass; see ``Engine.run``."""
        try:
            with self._turn:
                results = self._request.infer([batch], share_inputs=True)
                return tuple(np.array(results[i], np.float32) for i in range(self._outputs))
        except RuntimeError as error:
            raise EngineError(
                f"OpenVINO failed on {self._network} with a batch of shape {batch.shape}: {error}"
            ) from error


class OpenVinoBackend:
    """Compiles engines from the cached ONNX graph."""

    name = "openvino"
    on_gpu = False
    is_serial = True

    def unavailable(self) -> str | None:
        """None if openvino is installed."""
        return None if find_spec("openvino") else "openvino is not installed (pip install deepfake-monitor[openvino])"

    def compile(self, network: Network, *, threads: int, cache_dir: Path) -> OpenVinoEngine:
        """An engine for ``network`` on ``threads`` threads without pinning to cores."""
        reason = self.unavailable()
        if reason:
            raise EngineError(reason)
        import openvino

        graph = onnx_graph(network, cache_dir=cache_dir)
        options = {
            "INFERENCE_PRECISION_HINT": "f32",  # the default is bf16 on CPUs that support it
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
        }
        try:
            core = openvino.Core()
            folder = None if isinstance(graph, bytes) else _compile_folder(graph)
            if folder is not None:
                core.set_property({"CACHE_DIR": str(folder)})
            # passed as bytes: with a path, OpenVINO would check the graph's modification time
            compiled = core.compile_model(core.read_model(graph), "CPU", options)
            request = compiled.create_infer_request()
        except RuntimeError as error:
            raise EngineError(f"OpenVINO {openvino.__version__} cannot compile {network.name}: {error}") from error
        return OpenVinoEngine(request, network=network.name, outputs=len(network.outputs))

    def exact(self) -> Self:
        """Itself: it computes in fp32."""
        return self


def _compile_folder(graph: Path) -> Path | None:
    """OpenVINO's cache folder for a graph; None if the folder cannot be created.

    Folders of deleted graphs are removed. OpenVINO names its files by version, options and CPU, and removes none, so
    the newest ``KEEP`` files stay.
    """
    parent = graph.parent / COMPILED
    folder = parent / graph.stem
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _log.warning("%s cannot be created (%s): OpenVINO compiles at every start", folder, error.strerror or error)
        return None
    for other in parent.glob("*/"):
        with suppress(OSError):  # another process removed it first
            files = sorted(other.glob("*.blob"), key=lambda file: file.stat().st_mtime, reverse=True)
            alive = (graph.parent / f"{other.name}.onnx").exists()
            for file in files[KEEP if alive else 0 :]:
                file.unlink()
            if not alive:
                other.rmdir()
    return folder
