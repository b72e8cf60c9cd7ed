import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch

from monitor.errors import EngineError
from monitor.inference.network import Network
from monitor.inference.onnx_runtime import CPU, CUDA, OnnxRuntimeBackend

pytestmark = pytest.mark.usefixtures("exported")


@pytest.mark.parametrize("shape", [(1, 3, 12, 12), (3, 3, 31, 47), (8, 3, 64, 20)])
def test_the_engine_agrees_with_torch_at_every_size(two_heads: Network, tmp_path: Path, shape: tuple[int, ...]) -> None:
    engine = OnnxRuntimeBackend().compile(two_heads, threads=1, cache_dir=tmp_path)
    batch = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    with torch.inference_mode():
        expected = two_heads.build()(torch.from_numpy(batch))
    found = engine.run(batch)
    assert engine.name == "onnxruntime-fp32"
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


def test_a_wrong_batch_is_an_engine_error_and_prints_nothing(
    two_heads: Network, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = OnnxRuntimeBackend().compile(two_heads, threads=1, cache_dir=tmp_path)
    with pytest.raises(EngineError, match=r"two_heads with a batch of shape \(1, 4, 8, 8\)"):
        engine.run(np.zeros((1, 4, 8, 8), np.float32))
    assert capfd.readouterr() == ("", "")


def test_an_unwritable_folder_does_not_stop_the_engine(two_heads: Network, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    engine = OnnxRuntimeBackend().compile(two_heads, threads=1, cache_dir=tmp_path / "file")
    assert engine.run(np.zeros((1, 3, 8, 8), np.float32))[0].shape == (1,)


def test_a_warm_start_does_not_import_torch(two_heads: Network, tmp_path: Path) -> None:
    OnnxRuntimeBackend().compile(two_heads, threads=1, cache_dir=tmp_path)
    program = f"""
import sys
from pathlib import Path
from monitor.inference.onnx_runtime import OnnxRuntimeBackend
from monitor.inference.network import Network
network = Network("two_heads", {two_heads.digest!r}, None, (None, 3, None, None), ("logit", "evidence_map"))
OnnxRuntimeBackend().compile(network, threads=1, cache_dir=Path({str(tmp_path)!r}))
assert "onnxruntime" in sys.modules
assert "torch" not in sys.modules, "torch was imported"
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Build:
    """A stand-in for an onnxruntime with CUDA; its sessions can fall back to the CPU like the real one."""

    __version__ = "1.0"
    SessionOptions = onnxruntime.SessionOptions

    def __init__(self, folder: Path, *, works: bool) -> None:
        (folder / "capi").mkdir()
        (folder / "capi" / "libonnxruntime_providers_cuda.so").touch()
        self.__spec__ = SimpleNamespace(submodule_search_locations=[str(folder)])
        self.works = works
        self.given: object = None

    def InferenceSession(self, graph: object, options: object, providers: list[tuple[str, dict[str, str]]]) -> object:  # noqa: N802
        self.given = providers
        real = onnxruntime.InferenceSession(graph, options, providers=[CPU])
        return SimpleNamespace(run=real.run, get_providers=lambda: [CUDA, CPU] if self.works else [CPU])


def test_cuda_is_used_by_name_and_exactly(two_heads: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = Build(tmp_path, works=True)
    monkeypatch.setitem(sys.modules, "onnxruntime", build)
    backend = OnnxRuntimeBackend(CUDA)
    assert backend.unavailable() is None
    engine = backend.compile(two_heads, threads=1, cache_dir=tmp_path)
    assert engine.name == "onnxruntime-cuda-fp32"
    assert build.given == [(CUDA, {"use_tf32": "0"})]
    assert engine.run(np.zeros((1, 3, 8, 8), np.float32))[0].shape == (1,)


def test_a_fall_back_to_the_cpu_is_refused(two_heads: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", Build(tmp_path, works=False))
    with pytest.raises(EngineError, match="fell back to the CPU: refused"):
        OnnxRuntimeBackend(CUDA).compile(two_heads, threads=1, cache_dir=tmp_path)


def test_the_reason_for_a_build_without_cuda_names_the_package() -> None:
    if CUDA in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    assert "onnxruntime-gpu" in str(OnnxRuntimeBackend(CUDA).unavailable())


def test_telemetry_of_the_library_is_disabled() -> None:
    program = "import os, monitor.inference.onnx_runtime; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "1"
