"""ONNX Runtime with 8-bit integers: selected only by name, and refused if it disagrees with fp32.

Static quantisation of the ONNX graph, QDQ form: uint8 activations, int8 weights with a scale for each channel.
Weights use 7 bits: CPUs without VNNI add pairs of products in 16 bits, which overflows with 8 (docs/measurements.md).
The first two convolutions, which are cheap and sensitive to rounding, and the evidence map stay fp32. The activation
ranges were measured in the laboratory (``monitor.inference.ranges``).
"""

import hashlib
import logging
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from monitor.errors import EngineError
from monitor.inference.cache import ArtefactKey, fetch
from monitor.inference.network import Network
from monitor.inference.onnx_graph import onnx_graph, versions
from monitor.inference.onnx_runtime import OnnxRuntimeBackend, OnnxRuntimeEngine, session
from monitor.inference.parity import Parity, measure_parity
from monitor.types import Pixels

Ranges = Mapping[str, tuple[float, float]]

LOGIT_TOLERANCE: Final = 0.2  # natural log-odds, largest difference on any reference crop
MAP_TOLERANCE: Final = 0.6  # natural log-odds, largest difference in any cell of a map
_QUANTISED: Final = ("Conv", "Concat", "MaxPool", "Relu")  # sums of residual blocks stay fp32
_FP32_CONVOLUTIONS: Final = 2  # number of convolutions that stay fp32
_REVISION: Final = "1"  # increase when this module changes the graph of a network

_log = logging.getLogger(__name__)


class OnnxRuntimeInt8Backend:
    """Compiles engines from the cached int8 graph, which is built once, in seconds, if it passes the parity test."""

    name = "onnxruntime-int8"
    on_gpu = False
    is_serial = False

    def unavailable(self) -> str | None:
        """None if onnxruntime is installed."""
        return OnnxRuntimeBackend().unavailable()

    def compile(self, network: Network, *, threads: int, cache_dir: Path) -> OnnxRuntimeEngine:
        """An engine for ``network`` that agreed with fp32 when it was built.

        Raises:
            EngineError: the network has no reference crops, disagrees on them, or cannot be exported or quantised.
            ModelCardError: the network has no measured ranges.
        """
        reference_crops = network.reference_crops
        if network.ranges is None or reference_crops is None:
            raise EngineError(
                f"{network.name} has no int8 engine: its activation ranges were never measured, or there are "
                "no faces for a comparison; choose another with the setting classifier.backend"
            )
        ranges = network.ranges()
        facts = {
            "onnxruntime": version("onnxruntime"),
            "quantisation": _REVISION,
            "ranges": hashlib.sha256(repr(sorted(ranges.items())).encode()).hexdigest(),
            "tolerances": f"{LOGIT_TOLERANCE:g} {MAP_TOLERANCE:g}",
        }
        key = ArtefactKey(f"{network.name}-int8", network.digest, versions() | facts)

        def build() -> bytes:
            return _build_accepted(network, ranges, reference_crops(), threads=threads, cache_dir=cache_dir)

        model = fetch(key, build, folder=cache_dir, suffix=".onnx")
        return _make_engine(model, network, threads=threads)

    def exact(self) -> OnnxRuntimeBackend:
        """ONNX Runtime without quantisation."""
        return OnnxRuntimeBackend()


def _make_engine(model: Path | bytes, network: Network, *, threads: int) -> OnnxRuntimeEngine:
    created = session(model, network=network.name, threads=threads)
    return OnnxRuntimeEngine(created, network=network.name, outputs=network.outputs, name="onnxruntime-int8")


def _build_accepted(network: Network, ranges: Ranges, crops: Pixels, *, threads: int, cache_dir: Path) -> bytes:
    """The int8 graph, if it agrees with the fp32 graph on these crops."""
    graph = onnx_graph(network, cache_dir=cache_dir)
    content = quantise(graph if isinstance(graph, bytes) else graph.read_bytes(), ranges, network=network.name)
    engine = _make_engine(content, network, threads=threads)
    reference = OnnxRuntimeBackend().compile(network, threads=threads, cache_dir=cache_dir)
    found = measure_parity(engine, reference, crops)
    require_close(found, network=network.name)
    _log.info("the int8 engine of %s is accepted: logits within %.3f of fp32", network.name, found.logit)
    return content


def require_close(found: Parity, *, network: str) -> None:
    """Refuse an int8 engine that differs too much from fp32.

    Raises:
        EngineError: a difference exceeds its tolerance.
    """
    if found.logit <= LOGIT_TOLERANCE and found.evidence <= MAP_TOLERANCE:
        return
    raise EngineError(
        f"the int8 engine of {network} is refused: on {found.crops} faces its logits differ from fp32 by up to "
        f"{found.logit:.3f} (allowed: {LOGIT_TOLERANCE:g}), its evidence maps by up to {found.evidence:.3f} (allowed: "
        f"{MAP_TOLERANCE:g}); choose another with the setting classifier.backend"
    )


def quantise(content: bytes, ranges: Ranges, *, network: str) -> bytes:
    """Quantise the fp32 ONNX graph to int8.

    Args:
        content: the graph from ``onnx_graph``.
        ranges: of its activations, named by ``activation_names``.

    Raises:
        EngineError: a range is missing, or ONNX Runtime cannot quantise the graph.
    """
    import onnx
    from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
    from onnxruntime.quantization.quant_utils import QuantType

    model = onnx.load_from_string(content)
    spans = {
        tensor: tuple(np.array(end, np.float32) for end in (min(ranges[name][0], 0.0), max(ranges[name][1], 0.0)))
        for tensor, name in activation_names(model.graph).items()
        if name in ranges
    }
    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    try:
        quantizer = QDQQuantizer(
            model,
            per_channel=True,
            reduce_range=True,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=TensorsData(CalibrationMethod.MinMax, spans),
            nodes_to_quantize=[],
            nodes_to_exclude=[*convolutions[:_FP32_CONVOLUTIONS], convolutions[-1]],
            op_types_to_quantize=list(_QUANTISED),
            extra_options={"WeightSymmetric": True, "ActivationSymmetric": False},
        )
        quantizer.quantize_model()
    except (ValueError, KeyError, IndexError, RuntimeError) as error:
        raise EngineError(
            f"{network} cannot be quantised by onnxruntime {version('onnxruntime')} ({error}); if its table of "
            "activation ranges is older than the program, create it again with `deepfake-monitor lab ranges`"
        ) from error
    result: bytes = quantizer.model.model.SerializeToString()
    return result


def activation_names(graph: Any) -> dict[str, str]:  # noqa: ANN401 - untyped library
    """Tensor of an exported graph -> a name that does not depend on the exporter: a convolution plus the path from it.

    "network.trunk.0.conv.weight/Relu" is the output of the ReLU after that convolution.
    """
    constant = {tensor.name for tensor in graph.initializer}
    names = {value.name: value.name for value in graph.input}
    taken = set(names.values())
    for node in graph.node:
        if node.op_type == "Conv":
            name = node.input[1]
        else:
            source = next((tensor for tensor in node.input if tensor not in constant), "")
            name = f"{names.get(source, source)}/{node.op_type}"
        for i, tensor in enumerate(node.output):
            own = name if name not in taken else f"{name}#{len(taken)}"
            names[tensor] = own if i == 0 else f"{own}.{i}"
            taken.add(names[tensor])
    return names
