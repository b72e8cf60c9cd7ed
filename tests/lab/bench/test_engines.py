from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.small_classifier import SMALL, crops

from monitor.errors import EngineError
from monitor.inference import onnx_int8, parity
from monitor.inference.backends import OnnxRuntimeBackend, OpenVinoBackend, TensorRtBackend, TorchBackend
from monitor.inference.cuda import CudaBackend
from monitor.inference.onnx_int8 import OnnxRuntimeInt8Backend
from monitor.inference.onnx_runtime import CUDA
from monitor.lab.bench.engines import EXACT_TOLERANCE, available, bench, flop_per_face, tolerances, verify
from monitor.types import Floats, Pixels


class Off:
    """ONNX Runtime, its logits shifted."""

    name = "onnxruntime"
    on_gpu = is_serial = False

    def __init__(self, by: float) -> None:
        self._by = by

    def unavailable(self) -> None:
        return None

    def compile(self, network, *, threads: int, cache_dir: Path):
        engine, by = OnnxRuntimeBackend().compile(network, threads=threads, cache_dir=cache_dir), self._by

        class Shifted:
            name = engine.name

            def run(self, batch: Pixels) -> tuple[Floats, ...]:
                logits, maps = engine.run(batch)
                return logits + np.float32(by), maps

        return Shifted()

    def exact(self):
        return self


def test_an_engine_that_says_the_same_passes(tmp_path: Path) -> None:
    found = verify(SMALL, OnnxRuntimeBackend(), crops=crops(), threads=1, cache_dir=tmp_path)
    assert (found.passed, found.engine, found.crops) == (True, "onnxruntime-fp32", 8)
    assert found.logit_difference < found.logit_tolerance == EXACT_TOLERANCE
    assert found.why == "onnxruntime-fp32 says what fp32 torch says"


def test_one_that_says_something_else_fails_with_a_sentence(tmp_path: Path) -> None:
    found = verify(SMALL, Off(2 * EXACT_TOLERANCE), crops=crops(), threads=1, cache_dir=tmp_path)
    assert not found.passed
    assert found.logit_difference == pytest.approx(2 * EXACT_TOLERANCE, rel=0.01)
    assert "does not say what fp32 torch says" in found.why


def test_one_that_cannot_be_made_fails_with_its_own_sentence(tmp_path: Path) -> None:
    found = verify(replace(SMALL, ranges=None), OnnxRuntimeInt8Backend(), crops=crops(), threads=1, cache_dir=tmp_path)
    assert (found.passed, found.engine) == (False, "")
    assert "has no int8 engine" in found.why


def test_each_kind_of_engine_has_its_tolerance() -> None:
    assert tolerances(OpenVinoBackend()) == (EXACT_TOLERANCE, EXACT_TOLERANCE)
    assert tolerances(CudaBackend()) == (parity.LOGIT_TOLERANCE, parity.MAP_TOLERANCE)
    assert tolerances(OnnxRuntimeInt8Backend()) == (onnx_int8.LOGIT_TOLERANCE, onnx_int8.MAP_TOLERANCE)
    assert tolerances(TensorRtBackend()) == tolerances(CudaBackend())
    assert tolerances(OnnxRuntimeBackend(CUDA)) == (EXACT_TOLERANCE, EXACT_TOLERANCE)
    assert EXACT_TOLERANCE < parity.LOGIT_TOLERANCE < onnx_int8.LOGIT_TOLERANCE


def test_all_take_turns_and_each_gets_its_row(tmp_path: Path) -> None:
    reference = TorchBackend().compile(SMALL, threads=1, cache_dir=tmp_path)
    made = {"onnxruntime": OnnxRuntimeBackend().compile(SMALL, threads=1, cache_dir=tmp_path), "torch": reference}
    told: list[None] = []
    flop = flop_per_face(SMALL)
    rows, peak = bench(
        made,
        reference=reference,
        flop=flop,
        crops=crops(),
        batches=(1, 4),
        rounds=2,
        on_round=lambda: told.append(None),
    )
    assert [(row.backend, row.engine) for row in rows] == [("onnxruntime", "onnxruntime-fp32"), ("torch", "torch-fp32")]
    assert len(told) == 3, "one warms up"
    assert peak > 1e8
    for row in rows:
        assert list(row.batches) == [1, 4]
        assert row.logit_difference < EXACT_TOLERANCE
        for size, speed in row.batches.items():
            assert speed.p50_ms <= speed.p99_ms
            assert speed.faces_per_second == pytest.approx(1e3 * size / speed.p50_ms)
            assert speed.peak_share == pytest.approx(flop / (speed.cpu_ms_per_face / 1e3) / peak)


@pytest.mark.parametrize("name", ["cuda", "tensorrt", "onnxruntime-cuda"])
def test_a_core_s_peak_says_nothing_of_a_gpu(tmp_path: Path, name: str) -> None:
    engine = OnnxRuntimeBackend().compile(SMALL, threads=1, cache_dir=tmp_path)
    rows, _ = bench({name: engine}, reference=engine, flop=1.0, crops=crops(), batches=(1,), rounds=1)
    assert rows[0].batches[1].peak_share is None


def test_the_work_of_a_face_is_that_of_its_convolutions() -> None:
    layers = ((3, 16, 32, 3), (16, 16, 32, 3), (16, 8, 16, 3), (16, 8, 16, 3), (16, 16, 16, 1), (16, 16, 16, 3))
    expected = sum(2 * i * o * side**2 * kernel**2 for i, o, side, kernel in (*layers, (16, 1, 16, 1)))
    assert flop_per_face(SMALL) == expected


def test_what_runs_here_and_what_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CudaBackend, "unavailable", lambda self: "no NVIDIA driver on this machine")
    here = [backend.name for backend in available()]
    assert {"onnxruntime", "torch", "onnxruntime-int8"} <= set(here)
    assert "cuda" not in here
    assert [backend.name for backend in available(["torch"])] == ["torch"]
    with pytest.raises(EngineError, match="the engine cuda cannot be used here: no NVIDIA driver"):
        available(["cuda"])
    with pytest.raises(EngineError, match="unknown engine 'abacus': this program knows onnxruntime"):
        available(["abacus"])
