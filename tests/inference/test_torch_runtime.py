from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
import torch
from support.small_networks import SIDE, small_classifier

from monitor.errors import EngineError
from monitor.inference import torch_runtime
from monitor.inference.network import Network
from monitor.inference.torch_runtime import TorchBackend


def test_the_reference_is_the_module_itself(two_heads: Network, tmp_path: Path) -> None:
    engine = TorchBackend().compile(two_heads, threads=1, cache_dir=tmp_path)
    batch = np.random.default_rng(0).normal(size=(3, 3, 20, 31)).astype(np.float32)
    with torch.inference_mode():
        expected = two_heads.build()(torch.from_numpy(batch))
    found = engine.run(batch)
    assert engine.name == "torch-fp32"
    assert [array.dtype for array in found] == [np.float32, np.float32]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs.numpy())
    assert torch.get_num_threads() == 1
    assert list(tmp_path.iterdir()) == []


def test_crops_are_normalised(tmp_path: Path) -> None:
    network = small_classifier()
    batch = np.random.default_rng(0).integers(0, 255, (2, SIDE, SIDE, 3), np.uint8)
    planes = torch.from_numpy((batch.transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 128)
    with torch.inference_mode():
        expected = network.build()(planes)
    found = TorchBackend().compile(network, threads=1, cache_dir=tmp_path).run(batch)
    np.testing.assert_allclose(found[0], expected[0].numpy(), atol=1e-5)


def test_a_wrong_batch_is_an_engine_error(two_heads: Network, tmp_path: Path) -> None:
    engine = TorchBackend().compile(two_heads, threads=1, cache_dir=tmp_path)
    with pytest.raises(EngineError, match=r"two_heads with a batch of shape \(1, 4, 8, 8\)"):
        engine.run(np.zeros((1, 4, 8, 8), np.float32))


def test_without_torch_there_is_no_reference(
    two_heads: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(torch_runtime, "version", absent)
    with pytest.raises(EngineError, match="torch cannot run two_heads: torch is not installed"):
        TorchBackend().compile(two_heads, threads=1, cache_dir=tmp_path)
