"""Speed of InceptionResnetV1 as a share of the core's matrix-multiplication peak.

The peak is measured in the same interleaved rounds: the fastest single-threaded sgemm (1536 x 1536) of ONNX
Runtime's MatMul and NumPy's BLAS on this machine.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from monitor.analysis.pipeline import Engines
from monitor.lab.bench.loops import INPUT_SIZE, with_inception_resnet
from monitor.settings import Settings

FLOP_PER_FACE = 2.84e9  # InceptionResnetV1 at 160 px, 1.42 GMAC
_N = 1536
SGEMM_FLOP = 2 * _N**3  # of one of ``sgemm_calls``
_BATCHES = (1, 4)


@dataclass(frozen=True, slots=True)
class ClassifierSpeed:
    """Medians over the rounds."""

    engine: str
    sgemm_gflops: float
    ms_per_face: dict[int, float]  # by batch size
    sgemm_share: dict[int, float]  # by batch size, 1 = the measured peak


def classifier_speed(settings: Settings, *, rounds: int = 15) -> ClassifierSpeed:
    """Time InceptionResnetV1 and sgemm in turns on one thread.

    Raises:
        MonitorError: the classifier cannot be loaded.
    """
    engines = Engines.load(with_inception_resnet(settings), input_size=INPUT_SIZE)
    rng = np.random.default_rng(0)
    calls = sgemm_calls()
    products = tuple(calls)
    for batch in _BATCHES:
        faces = rng.integers(0, 256, (batch, INPUT_SIZE, INPUT_SIZE, 3), np.uint8)
        calls[f"batch {batch}"] = lambda faces=faces: engines.scorer.engine.run(faces)  # type: ignore[misc]
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name, call in calls.items():
            started = time.process_time()
            call()
            seconds[name].append(time.process_time() - started)
    median = {name: float(np.median(taken[1:])) for name, taken in seconds.items()}
    peak = SGEMM_FLOP / min(median[name] for name in products)
    return ClassifierSpeed(
        engine=engines.scorer.engine.name,
        sgemm_gflops=peak / 1e9,
        ms_per_face={batch: 1e3 * median[f"batch {batch}"] / batch for batch in _BATCHES},
        sgemm_share={batch: FLOP_PER_FACE * batch / median[f"batch {batch}"] / peak for batch in _BATCHES},
    )


def sgemm_calls() -> dict[str, Callable[[], object]]:
    """Matrix products of 1536 x 1536: NumPy's with the threads of its library, ONNX Runtime's with one."""
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((_N, _N), np.float32) for _ in range(2))
    runtime = _onnxruntime_matmul()
    return {"numpy": lambda: left @ right, "onnxruntime": lambda: runtime(left, right)}


def _onnxruntime_matmul() -> Callable[[object, object], object]:
    import onnxruntime
    from onnx import TensorProto, helper

    square = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [_N, _N]) for name in "abc"]
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "sgemm", square[:2], square[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda a, b: session.run(None, {"a": a, "b": b})
