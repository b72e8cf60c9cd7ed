import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.random_weights import written

from monitor.classifiers import available_models, engines_dir, load_classifier
from monitor.errors import EngineError
from monitor.faces.mtcnn.networks import mtcnn_networks
from monitor.inference.backends import (
    Backend,
    CudaBackend,
    OnnxRuntimeBackend,
    OpenVinoBackend,
    TensorRtBackend,
    TorchBackend,
    all_backends,
    choose,
    resampler,
)
from monitor.inference.cache import default_cache_dir
from monitor.inference.engine_upgrade import NOT_BUILT
from monitor.inference.network import Network
from monitor.settings import Settings

MTCNN = {network.name: network for network in mtcnn_networks()}
EXACT = (OnnxRuntimeBackend(), OpenVinoBackend())  # fp32; the GPU backends have their own tests


@pytest.fixture(scope="module", params=[*available_models(), *MTCNN])
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Network:
    """All networks: MTCNN's, the shipped classifiers, and the others with random weights."""
    if request.param in MTCNN:
        return MTCNN[request.param]
    if (engines_dir() / f"{request.param}.safetensors").is_file():
        return load_classifier(request.param).network
    return load_classifier(request.param, weights=written(request.param, tmp_path_factory.mktemp("weights"))).network


@pytest.mark.parametrize("backend", EXACT, ids=lambda backend: backend.name)
def test_all_networks_agree_on_all_backends(network: Network, backend: Backend, settings: Settings) -> None:
    if reason := backend.unavailable():
        pytest.skip(reason)
    cache_dir = default_cache_dir(settings.cache_dir)  # of all tests: they export most of these networks, too
    engine = backend.compile(network, threads=1, cache_dir=cache_dir)
    reference = TorchBackend().compile(network, threads=1, cache_dir=cache_dir)
    shape = [size or example for size, example in zip(network.engine_shape[1:], (3, 61, 83), strict=True)]
    for n in (1, 3, 8):
        batch = np.random.default_rng(n).uniform(0, 255, size=(n, *shape))
        batch = batch.astype(np.uint8 if network.preprocessing else np.float32)
        found, expected = engine.run(batch), reference.run(batch)
        assert len(found) == len(network.outputs)
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=1e-5)


@pytest.mark.usefixtures("exported")
@pytest.mark.parametrize("backend", [*EXACT, TorchBackend(), CudaBackend()], ids=lambda backend: backend.name)
def test_an_engine_may_be_shared_by_threads(backend: Backend, two_heads: Network, tmp_path: Path) -> None:
    if reason := backend.unavailable():
        pytest.skip(reason)
    engine = backend.compile(two_heads, threads=1, cache_dir=tmp_path)
    batches = [np.full((1 + i % 3, 3, 16, 16), i, np.float32) for i in range(60)]
    expected = [engine.run(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for ours, theirs in zip(pool.map(engine.run, batches), expected, strict=True):
            np.testing.assert_array_equal(ours[1], theirs[1])


def available(backend: Backend) -> None:
    return None


def unavailable(backend: Backend) -> str:
    return "it is not installed"


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("monitor.inference.backends", "monitor.inference.cuda", "monitor.inference.tensorrt"):
        monkeypatch.setattr(f"{module}.cuda_missing", lambda: "no NVIDIA driver on this machine")


@pytest.fixture
def a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("monitor.inference.backends", "monitor.inference.cuda", "monitor.inference.tensorrt"):
        monkeypatch.setattr(f"{module}.cuda_missing", lambda: None)


@pytest.mark.usefixtures("no_gpu")
def test_auto_selects_onnxruntime_on_a_cpu_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenVinoBackend, "unavailable", unavailable)
    choice = choose()
    assert isinstance(choice.backend, OnnxRuntimeBackend)
    assert choice.reason == "the fastest in fp32 on a CPU, and no NVIDIA driver on this machine"
    assert choice.faster is None
    assert choice.others["openvino"] == "it is not installed"
    assert choice.others["cuda"] == choice.others["tensorrt"] == "no NVIDIA driver on this machine"
    assert choice.others["torch"].startswith("onnxruntime was preferred")
    assert set(choice.others) == {backend.name for backend in all_backends()} - {"onnxruntime"}


@pytest.mark.usefixtures("a_gpu")
def test_auto_selects_cuda_on_a_gpu_and_names_the_packages_missing_for_tensorrt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("monitor.inference.tensorrt.packages_distributions", dict)
    choice = choose("auto")
    assert isinstance(choice.backend, CudaBackend)
    assert choice.reason == "there is a CUDA GPU"
    assert choice.faster is None
    assert choice.others["tensorrt"] == "torch_tensorrt is not installed (pip install deepfake-monitor[gpu])"
    assert choice.others["onnxruntime"] == "cuda was preferred: there is a CUDA GPU"


@pytest.mark.usefixtures("a_gpu")
def test_auto_names_tensorrt_as_faster_if_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {name: [name] for name in ("torch_tensorrt", "tensorrt")}
    monkeypatch.setattr("monitor.inference.tensorrt.packages_distributions", lambda: there)
    choice = choose("auto")
    assert isinstance(choice.backend, CudaBackend)
    assert isinstance(choice.faster, TensorRtBackend)
    assert choice.others["tensorrt"] == NOT_BUILT
    for name in ("cuda", "tensorrt"):  # an explicit backend is used as requested: no other is built beside it
        asked = choose(name)
        assert (asked.backend.name, asked.reason, asked.faster) == (name, "it was asked for", None)


@pytest.mark.parametrize("backend", all_backends(), ids=lambda backend: backend.name)
def test_a_name_gives_that_backend_or_an_error(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(backend), "unavailable", available)
    choice = choose(backend.name)
    assert choice.backend.name == backend.name
    assert choice.reason == "it was asked for"
    assert backend.name not in choice.others
    monkeypatch.setattr(type(backend), "unavailable", unavailable)
    with pytest.raises(EngineError, match=f"the backend {backend.name} cannot be used: it is not installed"):
        choose(backend.name)


@pytest.mark.usefixtures("no_gpu")
def test_auto_does_not_fall_back_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnnxRuntimeBackend, "unavailable", unavailable)
    with pytest.raises(EngineError, match="the backend onnxruntime cannot be used"):
        choose()


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        EngineError, match=r"'tensorflow': this program knows auto, onnxruntime, .*tensorrt, cuda, torch, openvino"
    ):
        choose("tensorflow")


@pytest.mark.parametrize(
    ("name", "on_gpu", "is_serial", "exact"),
    [
        ("onnxruntime", False, False, "onnxruntime"),
        ("onnxruntime-int8", False, False, "onnxruntime"),
        ("torch", False, False, "torch"),
        ("openvino", False, True, "openvino"),
        ("onnxruntime-cuda", True, True, "onnxruntime-cuda"),
        ("cuda", True, True, "cuda"),
        ("tensorrt", True, True, "cuda"),
    ],
)
def test_each_backend_has_a_device_and_an_fp32_variant(name: str, on_gpu: bool, is_serial: bool, exact: str) -> None:
    backend = next(one for one in all_backends() if one.name == name)
    assert (backend.on_gpu, backend.is_serial, backend.exact().name) == (on_gpu, is_serial, exact)
    again = backend.exact()
    assert again.exact() is again
    assert (backend.exact() is backend) == (name not in ("onnxruntime-int8", "cuda", "tensorrt"))


def test_frames_are_resampled_on_the_device_of_mtcnn() -> None:
    places = {backend.name: resampler(backend.exact()).__name__ for backend in all_backends()}
    there = {name for name, place in places.items() if place == "CudaSummedArea"}
    assert there == {"cuda", "tensorrt"}
    assert set(places.values()) == {"CudaSummedArea", "SummedArea"}


def test_selecting_a_backend_imports_no_runtime() -> None:
    program = """
import sys
import monitor.inference.backends, monitor.inference.cuda, monitor.inference.tensorrt
for module in (monitor.inference.backends, monitor.inference.cuda, monitor.inference.tensorrt):
    module.cuda_missing = lambda: "no NVIDIA driver on this machine"
choice = monitor.inference.backends.choose()
sys.exit(" ".join({"torch", "onnxruntime", "openvino", "torch_tensorrt"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
