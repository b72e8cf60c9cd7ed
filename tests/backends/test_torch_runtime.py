from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from monitor.backends import torch_runtime
from monitor.backends.torch_runtime import TorchBackend, cuda_missing
from monitor.errors import EngineError
from monitor.models.network import Network

gpu = pytest.mark.gpu
needs_gpu = pytest.mark.skipif(cuda_missing() is not None, reason=f"needs a CUDA GPU: {cuda_missing()}")


def test_the_reference_is_the_module_itself(two_heads: Network, tmp_path: Path) -> None:
    engine = TorchBackend("cpu").compile(two_heads, threads=1, cache_dir=tmp_path)
    batch = np.random.default_rng(0).normal(size=(3, 3, 20, 31)).astype(np.float32)
    with torch.inference_mode():
        expected = two_heads.build()(torch.from_numpy(batch))
    found = engine.run(batch)
    assert engine.name == "torch-cpu-fp32"
    assert [array.dtype for array in found] == [np.float32, np.float32]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs.numpy())
    assert torch.get_num_threads() == 1
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_batch_is_an_engine_error(two_heads: Network, tmp_path: Path) -> None:
    engine = TorchBackend("cpu").compile(two_heads, threads=1, cache_dir=tmp_path)
    with pytest.raises(EngineError, match=r"two_heads with a batch of shape \(1, 4, 8, 8\) on cpu"):
        engine.run(np.zeros((1, 4, 8, 8), np.float32))


def test_a_gpu_that_is_not_there_is_not_replaced(
    two_heads: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_runtime, "cuda_missing", lambda: "torch sees no CUDA GPU")
    assert TorchBackend("cuda").unavailable() == "torch sees no CUDA GPU"
    assert TorchBackend("auto").unavailable() is None
    with pytest.raises(EngineError, match="cannot run two_heads on cuda: torch sees no CUDA GPU"):
        TorchBackend("cuda").compile(two_heads, threads=1, cache_dir=tmp_path)


@pytest.mark.parametrize(
    ("driver", "cuda", "available", "expected"),
    [
        (False, "13.0", True, "no NVIDIA driver"),
        (True, None, False, "a build without CUDA"),
        (True, "13.0", False, "sees no CUDA GPU"),
        (True, "13.0", True, None),
    ],
)
def test_why_there_is_no_gpu(
    monkeypatch: pytest.MonkeyPatch, driver: bool, cuda: str | None, available: bool, expected: str | None
) -> None:
    def load(name: str) -> None:
        if not driver:
            raise OSError(name)

    stand_in = SimpleNamespace(
        __version__="2.13.0", version=SimpleNamespace(cuda=cuda), cuda=SimpleNamespace(is_available=lambda: available)
    )
    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setitem(sys.modules, "torch", stand_in)
    found = cuda_missing()
    assert found is expected if expected is None else expected in (found or "")


@gpu
@needs_gpu
def test_a_gpu_agrees_with_the_reference_to_bf16(two_heads: Network, tmp_path: Path) -> None:
    batch = np.random.default_rng(0).normal(size=(3, 3, 20, 31)).astype(np.float32)
    engine = TorchBackend("cuda").compile(two_heads, threads=1, cache_dir=tmp_path)
    reference = TorchBackend("cpu").compile(two_heads, threads=1, cache_dir=tmp_path)
    assert engine.name == "torch-cuda-bf16"
    for ours, theirs in zip(engine.run(batch), reference.run(batch), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.05)
