from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monitor.backends import openvino_runtime
from monitor.backends.openvino_runtime import OpenVinoBackend
from monitor.backends.torch_runtime import TorchBackend
from monitor.errors import EngineError
from monitor.models.network import Network

needs_openvino = pytest.mark.skipif(OpenVinoBackend().unavailable() is not None, reason="openvino is not installed")


@needs_openvino
@pytest.mark.parametrize("shape", [(1, 3, 12, 12), (3, 3, 31, 47)])
def test_it_agrees_with_torch_at_every_size(two_heads: Network, tmp_path: Path, shape: tuple[int, ...]) -> None:
    engine = OpenVinoBackend().compile(two_heads, threads=1, cache_dir=tmp_path)
    reference = TorchBackend("cpu").compile(two_heads, threads=1, cache_dir=tmp_path)
    batch = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert engine.name == "openvino-fp32"
    for ours, theirs in zip(engine.run(batch), reference.run(batch), strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@needs_openvino
def test_a_result_outlives_the_next_one(two_heads: Network, tmp_path: Path) -> None:
    engine = OpenVinoBackend().compile(two_heads, threads=1, cache_dir=tmp_path)
    first = engine.run(np.ones((1, 3, 12, 12), np.float32))
    kept = [array.copy() for array in first]
    engine.run(np.zeros((1, 3, 12, 12), np.float32))
    for array, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(array, copy)


@needs_openvino
def test_a_wrong_batch_is_an_engine_error(two_heads: Network, tmp_path: Path) -> None:
    engine = OpenVinoBackend().compile(two_heads, threads=1, cache_dir=tmp_path)
    with pytest.raises(EngineError, match="OpenVINO failed on two_heads"):
        engine.run(np.zeros((1, 4, 12, 12), np.float32))


@needs_openvino
def test_it_compiles_from_memory_where_nothing_can_be_written(two_heads: Network, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    engine = OpenVinoBackend().compile(two_heads, threads=1, cache_dir=tmp_path / "file")
    assert engine.run(np.zeros((1, 3, 12, 12), np.float32))[0].shape == (1,)


def test_without_the_extra_it_says_how_to_get_it(
    two_heads: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_runtime, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"pip install deepfake-monitor\[openvino\]"):
        OpenVinoBackend().compile(two_heads, threads=1, cache_dir=tmp_path)
