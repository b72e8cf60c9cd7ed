"""The backend on a stand-in for ``torch.cuda``; at the end, tests that need a real GPU (``-m gpu``)."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support import cuda_stand_in
from support.small_networks import SIDE, small_classifier

from monitor.classifiers import load_classifier
from monitor.classifiers.reference_crops import reference_crops
from monitor.errors import EngineError
from monitor.faces.mtcnn.networks import mtcnn_networks
from monitor.inference import cuda
from monitor.inference.batch_buckets import BUCKETS
from monitor.inference.cuda import CudaBackend, cuda_engine, cuda_missing, half_type
from monitor.inference.network import Network
from monitor.inference.torch_runtime import TorchBackend

gpu = pytest.mark.gpu
needs_gpu = pytest.mark.skipif(cuda_missing() is not None, reason=f"needs a CUDA GPU: {cuda_missing()}")


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda_stand_in.install(monkeypatch)
    monkeypatch.setattr(cuda, "cuda_missing", lambda: None)


@pytest.mark.parametrize(
    ("driver", "build", "available", "expected"),
    [
        (False, "13.0", True, "no NVIDIA driver"),
        (True, None, False, "a build without CUDA"),
        (True, "13.0", False, "sees no CUDA GPU"),
        (True, "13.0", True, None),
    ],
)
def test_the_reason_for_a_missing_gpu_is_given(
    monkeypatch: pytest.MonkeyPatch, driver: bool, build: str | None, available: bool, expected: str | None
) -> None:
    def load(name: str) -> None:
        if not driver:
            raise OSError(name)

    stand_in = SimpleNamespace(
        __version__="2.13.0", version=SimpleNamespace(cuda=build), cuda=SimpleNamespace(is_available=lambda: available)
    )
    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setitem(sys.modules, "torch", stand_in)
    found = cuda_missing()
    assert found is expected if expected is None else expected in (found or "")


def test_a_missing_gpu_has_no_fallback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cuda, "cuda_missing", lambda: "torch sees no CUDA GPU")
    assert CudaBackend().unavailable() == "torch sees no CUDA GPU"
    with pytest.raises(EngineError, match="the backend cuda cannot run small-32: torch sees no CUDA GPU"):
        CudaBackend().compile(small_classifier(), threads=1, cache_dir=tmp_path)


@pytest.mark.parametrize(("computes_in_bf16", "dtype"), [(True, torch.bfloat16), (False, torch.float16)])
def test_the_half_precision_type_is_the_native_one_of_the_gpu(
    monkeypatch: pytest.MonkeyPatch, computes_in_bf16: bool, dtype: torch.dtype
) -> None:
    asked = []

    def supported(*, including_emulation: bool) -> bool:
        asked.append(including_emulation)
        return computes_in_bf16

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert half_type() is dtype
    assert asked == [False]  # emulated bf16 is slower than fp16


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(("dtype", "name"), [(torch.bfloat16, "cuda-bf16"), (torch.float16, "cuda-fp16")])
def test_the_classifier_runs_in_half_precision_close_to_the_reference(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dtype: torch.dtype, name: str
) -> None:
    monkeypatch.setattr(cuda, "half_type", lambda: dtype)
    network = small_classifier()
    engine = CudaBackend().compile(network, threads=1, cache_dir=tmp_path)
    reference = TorchBackend().compile(network, threads=1, cache_dir=tmp_path)
    assert engine.name == name
    for count in (1, 3, 64, 67):
        batch = np.random.default_rng(count).integers(0, 255, (count, SIDE, SIDE, 3), np.uint8)
        for ours, theirs in zip(engine.run(batch), reference.run(batch), strict=True):
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, atol=0.05)
    assert cuda_stand_in.Graph.replays == 5
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def tf32() -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


@pytest.mark.usefixtures("stand_in", "tf32")
@pytest.mark.parametrize("network", mtcnn_networks(), ids=lambda network: network.name)
def test_mtcnn_is_exact(network: Network, tmp_path: Path) -> None:
    engine = CudaBackend(exact=True).compile(network, threads=1, cache_dir=tmp_path)
    reference = TorchBackend().compile(network, threads=1, cache_dir=tmp_path)
    assert engine.name == "cuda-fp32"
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    sides = [side or free for side, free in zip(network.input_shape[1:], (3, 61, 83), strict=True)]
    for count in (1, 5, 32):
        batch = np.random.default_rng(count).uniform(0, 255, (count, *sides)).astype(np.float32)
        for ours, theirs in zip(engine.run(batch), reference.run(batch), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=2e-4, rtol=1e-4)


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("said", "message"),
    [("CUDA out of memory. Tried to allocate 90 MiB.\nmore", r"CUDA out.*MiB\."), ("", "OutOfMemoryError")],
)
def test_no_memory_for_the_weights_is_an_engine_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, message: str
) -> None:
    def full(module: torch.nn.Module, *args: object, **kwargs: object) -> None:
        raise torch.OutOfMemoryError(said)

    monkeypatch.setattr(cuda, "half_type", lambda: torch.float16)
    monkeypatch.setattr(torch.nn.Module, "to", full)
    with pytest.raises(EngineError, match=rf"cannot be put on the GPU \({message}\): end other"):
        CudaBackend().compile(small_classifier(), threads=1, cache_dir=tmp_path)


@gpu
@needs_gpu
def test_gpu_every_bucket_agrees_with_the_reference(tmp_path: Path) -> None:
    classifier = load_classifier()
    crops = reference_crops(classifier.card.crop, size=classifier.input_size)
    engine = CudaBackend().compile(classifier.network, threads=1, cache_dir=tmp_path)
    logits, maps = TorchBackend().compile(classifier.network, threads=4, cache_dir=tmp_path).run(crops)
    for count in (*BUCKETS, 3, 33, 65, 130):
        rows = np.arange(count) % len(crops)
        for _ in range(2):  # recorded, then replayed
            found = engine.run(crops[rows])
            np.testing.assert_allclose(found[0], logits[rows], atol=0.05)
            np.testing.assert_allclose(found[1], maps[rows], atol=0.15)


@gpu
@needs_gpu
def test_gpu_boxes_do_not_move(tmp_path: Path) -> None:
    for network in mtcnn_networks():
        sides = [side or free for side, free in zip(network.input_shape[1:], (3, 361, 643), strict=True)]
        batch = np.random.default_rng(1).uniform(0, 255, (8, *sides)).astype(np.float32)
        engine = CudaBackend(exact=True).compile(network, threads=1, cache_dir=tmp_path)
        reference = TorchBackend().compile(network, threads=4, cache_dir=tmp_path)
        for ours, theirs in zip(engine.run(batch), reference.run(batch), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=1e-4)


@gpu
@needs_gpu
@pytest.mark.timeout(3600)
def test_gpu_memory_does_not_grow(tmp_path: Path) -> None:
    """5000 calls; DEEPFAKE_MONITOR_GPU_CALLS=100000 for the full test."""
    classifier = load_classifier()
    crops = reference_crops(classifier.card.crop, size=classifier.input_size)
    engine = CudaBackend().compile(classifier.network, threads=1, cache_dir=tmp_path)
    for count in BUCKETS:
        engine.run(crops[np.arange(count) % len(crops)])
    before = torch.cuda.mem_get_info()[0]
    for call in range(int(os.environ.get("DEEPFAKE_MONITOR_GPU_CALLS", "5000"))):
        engine.run(crops[: 1 + call % len(crops)])
    assert before - torch.cuda.mem_get_info()[0] < 64 << 20


@gpu
@needs_gpu
def test_gpu_two_processes_share_a_card() -> None:
    program = """
from monitor.inference.cuda import CudaBackend
from monitor.classifiers import load_classifier
from monitor.classifiers.reference_crops import reference_crops
from pathlib import Path
classifier = load_classifier()
crops = reference_crops(classifier.card.crop, size=classifier.input_size)
engine = CudaBackend().compile(classifier.network, threads=1, cache_dir=Path("unused"))
print(sorted({engine.run(crops[:8])[0].tobytes().hex() for _ in range(200)}))
"""
    command = [sys.executable, "-c", program]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=110)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert answers[0] == answers[1]
    assert answers[0].count("'") == 2  # one answer in all calls


@gpu
@needs_gpu
def test_gpu_a_full_gpu_leads_to_smaller_batches(tmp_path: Path) -> None:
    classifier = load_classifier()
    crops = reference_crops(classifier.card.crop, size=classifier.input_size)
    engine = cuda_engine(classifier.network, dtype=half_type())
    expected = engine.run(crops[:1])[0]
    free, total = torch.cuda.mem_get_info()
    room = 48 << 20
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + room) / total)
    try:
        batch = crops[np.arange(64) % len(crops)]
        found = engine.run(batch)[0]
        assert len(found) == 64
        np.testing.assert_allclose(found[:1], expected, atol=0.05)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert free > room
