"""A network as an ONNX graph, exported once and cached; the runtimes compile this graph.

Torch is imported only if the cache lacks the graph, so a warm start is small and fast. Inside ``export_in_child()`` a
child process imports torch, so a cold start stays small, too.
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
_REVISION = "3"  # increase when this module changes the graph of a network
_EXAMPLE = (2, 48, 64, 80)  # sizes of free dimensions for tracing; 0 and 1 would be traced as fixed
_exporter: ContextVar[ExportProcess | None] = ContextVar("exporter", default=None)


@contextmanager
def export_in_child() -> Iterator[None]:
    """Export all graphs of this block in one child process, started when first needed.

    Exporting needs a gigabyte that a process never releases. If torch is already imported, the export stays in this
    process.
    """
    with ExportProcess() as process:
        token = _exporter.set(process)
        try:
            yield
        finally:
            _exporter.reset(token)


def onnx_graph(network: Network, *, cache_dir: Path) -> Path | bytes:
    """The network as one ONNX file with its weights, input ``INPUT``, and outputs named as the network's.

    The input is the engine's: uint8 crops if the network has a preprocessing, which is then part of the graph. Free
    sizes stay free. BatchNorm is folded into the convolutions.

    Returns:
        A verified file in ``cache_dir``, or the model's bytes if that folder cannot be written.

    Raises:
        EngineError: torch cannot export the network.
    """
    key = ArtefactKey(network.name, network.digest, versions())
    return fetch(key, lambda: _export_model(network), folder=cache_dir, suffix=".onnx")


def versions() -> dict[str, str]:
    """Versions of all libraries that affect a graph."""
    return {name: version(name) for name in ("torch", "onnx", "onnxscript")} | {"export": _REVISION}


def _export_model(network: Network) -> bytes:
    process = _exporter.get()
    return export(network) if process is None or "torch" in sys.modules else process.export(network)


def export(network: Network) -> bytes:
    """Export the network to ONNX with torch in this process.

    Raises:
        EngineError: torch cannot export the network.
    """
    import torch

    from monitor.inference.folding import fold_norms

    given = network.engine_shape
    shape = tuple(size or example for size, example in zip(given, _EXAMPLE, strict=True))
    free: dict[int, Any] = {i: torch.export.Dim.DYNAMIC for i, size in enumerate(given) if size is None}
    module = network.build_from_pixels()
    fold_norms(module)  # here and not in the exporter, which traces and decomposes each BatchNorm several times
    dtype = torch.uint8 if network.preprocessing else torch.float32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation warnings between torch and its exporter
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
