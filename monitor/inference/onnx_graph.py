"""A network as an ONNX graph, exported once and cached: what the runtimes compile from.

Torch is imported only when there is nothing in the cache: a warm start is small and fast. Inside
``exported_elsewhere()`` it is imported by a child process, so that a cold start stays small, too.
"""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import version
from pathlib import Path
from typing import Any

from monitor.errors import EngineError
from monitor.inference.cache import ArtefactKey, fetch
from monitor.inference.export_process import ExportProcess
from monitor.inference.network import Network

INPUT = "input"
_REVISION = "2"  # raised when this module writes other graphs from the same network
_EXAMPLE = (2, 48, 64, 80)  # stands in for free sizes while tracing; 0 and 1 would be taken as fixed
_exporter: ContextVar[ExportProcess | None] = ContextVar("exporter", default=None)


@contextmanager
def exported_elsewhere() -> Iterator[None]:
    """What must be exported inside this block is exported by one child process, started when first needed.

    Exporting takes a gigabyte that no process gives back. Where torch is loaded already, nothing changes.
    """
    with ExportProcess() as process:
        token = _exporter.set(process)
        try:
            yield
        finally:
            _exporter.reset(token)


def onnx_graph(network: Network, *, cache_dir: Path) -> Path | bytes:
    """The network as one ONNX file, weights inside, input ``INPUT``, outputs named as the network's.

    It takes what an engine takes: uint8 crops where the network has a preprocessing, which is then part of the graph.
    Free sizes stay free. BatchNorm is folded into the convolutions.

    Returns:
        A verified file in ``cache_dir``, or the model's bytes where that folder cannot be written.

    Raises:
        EngineError: torch cannot export the network.
    """
    key = ArtefactKey(network.name, network.digest, versions())
    return fetch(key, lambda: _exported(network), folder=cache_dir, suffix=".onnx")


def versions() -> dict[str, str]:
    """Of everything that has a hand in a graph."""
    return {name: version(name) for name in ("torch", "onnx", "onnxscript")} | {"export": _REVISION}


def _exported(network: Network) -> bytes:
    process = _exporter.get()
    return export(network) if process is None or "torch" in sys.modules else process.export(network)


def export(network: Network) -> bytes:
    """The network's ONNX model, exported by torch in this process.

    Raises:
        EngineError: torch cannot export the network.
    """
    import torch

    given = network.engine_shape
    shape = tuple(size or example for size, example in zip(given, _EXAMPLE, strict=True))
    free: dict[int, Any] = {i: torch.export.Dim.DYNAMIC for i, size in enumerate(given) if size is None}
    module = network.build_from_pixels()
    dtype = torch.uint8 if network.preprocessing else torch.float32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations between torch and its exporter, none of our doing
        try:
            program = torch.onnx.export(
                module,
                (torch.zeros(shape, dtype=dtype),),
                dynamo=True,
                dynamic_shapes=(free,),
                input_names=[INPUT],
                output_names=list(network.outputs),
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            raise EngineError(
                f"{network.name} cannot be exported to ONNX by torch {torch.__version__}: {error}"
            ) from error
    if program is None:
        raise EngineError(f"{network.name} cannot be exported to ONNX: torch {torch.__version__} returned nothing")
    content: bytes = program.model_proto.SerializeToString()
    return content
