"""Ranges of a network's activations on real faces, from which an int8 engine is quantised."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from monitor.inference.network import Network
from monitor.inference.onnx_graph import INPUT, onnx_graph
from monitor.inference.onnx_int8 import activation_names
from monitor.lab.fakes.perturbations import LEVELS, PERTURBATIONS
from monitor.types import Pixels

_MEASURED: Final = ("Conv", "Relu", "Concat", "MaxPool", "Add")  # operators that int8 arithmetic replaces
_DIGITS: Final = 6


def as_cameras_show(crops: Sequence[Pixels], *, seed: int = 0) -> list[Pixels]:
    """Each crop twice: unchanged and perturbed. Perturbations take turns, at random levels."""
    rng = np.random.default_rng(seed)
    kinds = list(PERTURBATIONS.values())
    seen = list(crops)
    for row, crop in enumerate(crops):
        kind = kinds[row % len(kinds)]
        seen.append(kind.apply(crop, level=int(rng.choice(LEVELS)), seed=row))
    return seen


def measure_ranges(
    network: Network,
    crops: Sequence[Pixels],
    *,
    cache_dir: Path,
    on_done: Callable[[], None] = lambda: None,
) -> dict[str, tuple[float, float]]:
    """Lowest and highest value of every activation over all crops, by ``activation_names``.

    Args:
        network: a classifier.
        crops: (S, S, 3) uint8 each.
        cache_dir: of the ONNX graph.
        on_done: called after each crop.

    Raises:
        EngineError: the network cannot be exported.
    """
    import onnx

    graph = onnx_graph(network, cache_dir=cache_dir)
    model = onnx.load_from_string(graph) if isinstance(graph, bytes) else onnx.load(graph)
    names = activation_names(model.graph)
    tensors = [node.output[0] for node in model.graph.node if node.op_type in _MEASURED]
    tensors = [tensor for tensor in tensors if tensor not in network.outputs]
    for tensor in tensors:
        model.graph.output.append(onnx.helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, None))
    session = _unoptimised(model.SerializeToString())
    low, high = np.full(len(tensors), np.inf), np.full(len(tensors), -np.inf)
    for crop in crops:
        values = session.run(tensors, {INPUT: crop[None]})
        low = np.minimum(low, [value.min() for value in values])
        high = np.maximum(high, [value.max() for value in values])
        on_done()
    ends = zip(_rounded(low), _rounded(high), strict=True)
    return {names[tensor]: span for tensor, span in zip(tensors, ends, strict=True)}


def _unoptimised(content: bytes) -> Any:  # noqa: ANN401 - untyped library
    """A session without graph optimisation, which would fuse some tensors away."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _rounded(values: np.ndarray[Any, Any]) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in values]
