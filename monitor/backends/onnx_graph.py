"""A network as an ONNX graph, exported once and cached: what the runtimes compile from.

Torch is imported only when there is nothing in the cache: a warm start is small and fast.
"""

from __future__ import annotations

import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from monitor.backends.cache import ArtefactKey, fetch
from monitor.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.models.network import Network

INPUT = "input"
_REVISION = "1"  # raised when this module writes other graphs from the same network
_EXAMPLE = (2, 3, 48, 64)  # stands in for free sizes while tracing; 0 and 1 would be taken as fixed


def onnx_graph(network: Network, *, cache_dir: Path) -> Path | bytes:
    """The network as one ONNX file, weights inside, input ``INPUT``, outputs named as the network's.

    Free sizes of ``input_shape`` stay free. BatchNorm is folded into the convolutions.

    Returns:
        A verified file in ``cache_dir``, or the model's bytes where that folder cannot be written.

    Raises:
        EngineError: torch cannot export the network.
    """
    versions = {name: version(name) for name in ("torch", "onnx", "onnxscript")} | {"export": _REVISION}
    key = ArtefactKey(network.name, network.digest, versions)
    return fetch(key, lambda: _export(network), folder=cache_dir, suffix=".onnx")


def _export(network: Network) -> bytes:
    import torch

    shape = tuple(size or example for size, example in zip(network.input_shape, _EXAMPLE, strict=True))
    free: dict[int, Any] = {i: torch.export.Dim.DYNAMIC for i, size in enumerate(network.input_shape) if size is None}
    module = network.build()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations between torch and its exporter, none of our doing
        try:
            program = torch.onnx.export(
                module,
                (torch.zeros(shape),),
                dynamo=True,
                dynamic_shapes=(free,),
                input_names=[INPUT],
                output_names=list(network.outputs),
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            msg = f"{network.name} cannot be exported to ONNX by torch {torch.__version__}: {error}"
            raise EngineError(msg) from error
    if program is None:
        msg = f"{network.name} cannot be exported to ONNX: torch {torch.__version__} returned nothing"
        raise EngineError(msg)
    content: bytes = program.model_proto.SerializeToString()
    return content
