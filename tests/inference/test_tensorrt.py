"""Everything about the TensorRT backend that a machine without a GPU can show: the library is a stand-in that compiles
by handing back the module (tensorrt_stand_in), the GPU one for ``torch.cuda`` (cuda_stand_in).

No speed is claimed here. What only a GPU can show is at the end (``-m tensorrt``).
"""

import ctypes
import dataclasses
import logging
import os
import shutil
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support import cuda_stand_in, tensorrt_stand_in
from support.small_networks import SIDE, small_classifier
from support.tensorrt_stand_in import TARGET, StandIn

from monitor.analysis.pipeline import configured_committee
from monitor.classifiers import load_classifier
from monitor.errors import EngineError
from monitor.faces.mtcnn.networks import mtcnn_networks
from monitor.inference import tensorrt
from monitor.inference.cuda import cuda_missing
from monitor.inference.parity import require_parity
from monitor.inference.tensorrt import TENSORRT_BUCKETS, Target, TensorRtBackend, build, driver_version, engine_key
from monitor.inference.torch_runtime import TorchBackend
from monitor.settings import Settings
from monitor.system.files import alone_in

NETWORK = small_classifier()


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    cuda_stand_in.install(monkeypatch)
    return tensorrt_stand_in.install(tmp_path / "packages", monkeypatch)


@pytest.fixture(scope="module")
def engine_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with an engine for ``TARGET``, built once for the tests of what follows a build."""
    folder = tmp_path_factory.mktemp("engine")
    with pytest.MonkeyPatch.context() as monkeypatch:
        cuda_stand_in.install(monkeypatch)
        tensorrt_stand_in.install(folder / "packages", monkeypatch)
        built(folder / "cache")
    return folder / "cache"


@pytest.fixture
def filled(engine_folder: Path, library: StandIn, tmp_path: Path) -> Path:
    """A copy of that cache for one test."""
    return Path(shutil.copytree(engine_folder, tmp_path / "cache"))


def built(cache_dir: Path, target: Target = TARGET) -> tuple[Path, list[str]]:
    steps: list[str] = []
    return build(NETWORK, target, cache_dir=cache_dir, on_step=steps.append), steps


def crops(count: int) -> Any:
    return np.random.default_rng(count).integers(0, 255, (count, SIDE, SIDE, 3), np.uint8)


def test_a_build_passes_the_expected_options(library: StandIn, tmp_path: Path) -> None:
    path, steps = built(tmp_path / "cache", dataclasses.replace(TARGET, dtype="float16"))
    assert steps == ["tracing the network", "TensorRT chooses its kernels", "writing the engine"]
    (compiled,) = library.calls("compile")
    assert compiled["inputs"] == [
        {"min": [1, 3, SIDE, SIDE], "opt": [8, 3, SIDE, SIDE], "max": [64, 3, SIDE, SIDE], "dtype": "torch.float16"}
    ]
    assert compiled["weights"] == ["torch.float16"]  # the module sets the precision, not an option
    assert compiled["batch"] == "VR[1, 64]"
    assert compiled["require_full_compilation"] is True
    assert compiled["min_block_size"] == 1
    assert library.calls("save") == [{"call": "save", "output_format": "exported_program"}]
    assert sorted(file.name for file in path.parent.iterdir()) == ["building", path.name, f"{path.name}.json"]


def test_an_engine_is_built_once_then_loaded_and_agrees_with_the_network(library: StandIn, tmp_path: Path) -> None:
    backend = tensorrt_stand_in.backend()
    assert backend.cached(NETWORK, cache_dir=tmp_path / "cache") is None
    first = backend.compile(NETWORK, threads=1, cache_dir=tmp_path / "cache")
    second = backend.compile(NETWORK, threads=1, cache_dir=tmp_path / "cache")
    assert len(library.calls("compile")) == 1
    assert first.name == "tensorrt-fp32"
    found = require_parity(second, NETWORK, threads=1, cache_dir=tmp_path)
    assert found.logit < 1e-4


def test_each_runner_has_its_own_engine_and_graph(library: StandIn, filled: Path, tmp_path: Path) -> None:
    engine = tensorrt_stand_in.backend().cached(NETWORK, cache_dir=filled)
    assert engine is not None
    assert len(library.calls("load")) == 1  # an engine that cannot be loaded fails immediately
    reference = TorchBackend().compile(NETWORK, threads=1, cache_dir=tmp_path)
    for count in (1, 2, 4, 5, 16, 17, 64, 70):
        np.testing.assert_allclose(engine.run(crops(count))[0], reference.run(crops(count))[0], atol=1e-4)
    assert len(library.calls("load")) == len(library.calls("enable_cudagraphs")) == len(TENSORRT_BUCKETS)
    assert cuda_stand_in.Graph.replays == 0  # TensorRT records its own graphs; the runner records none


def test_a_wrong_engine_is_refused_if_tensorrt_was_requested(library: StandIn, tmp_path: Path) -> None:
    library.behave("wrong")
    with pytest.raises(EngineError, match=r"tensorrt-fp32 is refused: on 30 faces its logits are within 0.2000"):
        tensorrt_stand_in.backend().compile(NETWORK, threads=1, cache_dir=tmp_path / "cache")
    silent = dataclasses.replace(NETWORK, reference_crops=None)
    with pytest.raises(EngineError, match="there are no faces to compare it with small-32 in fp32"):
        tensorrt_stand_in.backend().compile(silent, threads=1, cache_dir=tmp_path / "cache")


def test_half_precision_is_named(library: StandIn, tmp_path: Path) -> None:
    backend = TensorRtBackend(dataclasses.replace(TARGET, dtype="float16"))
    engine = backend.compile(NETWORK, threads=1, cache_dir=tmp_path / "cache")
    assert engine.name == "tensorrt-fp16"
    found = require_parity(engine, NETWORK, threads=1, cache_dir=tmp_path)
    assert 0 < found.logit < 0.02


@pytest.mark.parametrize("field", ["gpu", "capability", "driver", "dtype"])
def test_another_gpu_driver_or_precision_needs_another_engine(filled: Path, field: str) -> None:
    other = dataclasses.replace(TARGET, **{field: "bfloat16" if field == "dtype" else "another"})
    assert engine_key(NETWORK, other).stem != engine_key(NETWORK, TARGET).stem
    assert tensorrt.cache.lookup(engine_key(NETWORK, TARGET), folder=filled, suffix=tensorrt.SUFFIX) is not None
    assert TensorRtBackend(other).cached(NETWORK, cache_dir=filled) is None


@pytest.mark.parametrize("name", ["torch", "torch_tensorrt", "tensorrt"])
def test_another_library_version_needs_another_engine(filled: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = engine_key(NETWORK, TARGET).stem
    assert (filled / f"{before}{tensorrt.SUFFIX}").is_file()
    monkeypatch.setattr(tensorrt, "version", lambda asked: "99.0" if asked == name else metadata.version(asked))
    assert engine_key(NETWORK, TARGET).stem != before
    assert tensorrt_stand_in.backend().cached(NETWORK, cache_dir=filled) is None


@pytest.mark.parametrize("name", ["LARGEST_BATCH", "USUAL_BATCH", "_REVISION"])
def test_other_build_options_need_another_engine(library: StandIn, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = engine_key(NETWORK, TARGET).stem
    monkeypatch.setattr(tensorrt, name, 32)
    assert engine_key(NETWORK, TARGET).stem != before


@pytest.mark.usefixtures("library")
def test_other_weights_architectures_sizes_and_normalisations_need_other_engines() -> None:
    shipped = load_classifier().network
    networks = [shipped, load_classifier(input_size=96).network, NETWORK, small_classifier(digest="6" * 64)]
    assert len({engine_key(network, TARGET).stem for network in networks}) == 4


def test_a_damaged_engine_is_built_again(library: StandIn, filled: Path, caplog: pytest.LogCaptureFixture) -> None:
    (path,) = filled.glob("*.pt2")
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"damage")
    tensorrt_stand_in.backend().compile(NETWORK, threads=1, cache_dir=filled)
    assert len(library.calls("compile")) == 1
    assert "is damaged: building it again" in caplog.text


def test_an_intact_engine_that_cannot_be_loaded_is_removed(
    library: StandIn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = engine_key(NETWORK, TARGET)
    path = tensorrt.cache.store(key, lambda file: file.write_bytes(b"PK"), folder=tmp_path, suffix=".pt2")
    assert tensorrt_stand_in.backend().cached(NETWORK, cache_dir=tmp_path) is None
    assert "cannot be loaded" in caplog.text
    assert not path.exists()


def test_an_engine_that_cannot_be_removed_is_not_an_error(
    library: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    key = engine_key(NETWORK, TARGET)
    tensorrt.cache.store(key, lambda file: file.write_bytes(b"PK"), folder=tmp_path, suffix=".pt2")
    monkeypatch.setattr(Path, "unlink", refused)
    assert tensorrt_stand_in.backend().cached(NETWORK, cache_dir=tmp_path) is None


def test_no_memory_for_an_engine_does_not_remove_the_engine(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = filled.glob("*.pt2")

    def full(*args: object, **kwargs: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.\nmore")

    monkeypatch.setattr(tensorrt, "_load", full)
    with pytest.raises(EngineError, match=r"no memory left for the TensorRT engine: .*\(CUDA out of memory.\)"):
        tensorrt_stand_in.backend().cached(NETWORK, cache_dir=filled)
    assert path.exists()


def test_a_network_that_tensorrt_refuses_is_an_error_of_one_line(library: StandIn, tmp_path: Path) -> None:
    library.behave("refuses")
    with pytest.raises(EngineError) as caught:
        built(tmp_path)
    assert str(caught.value) == (
        "TensorRT cannot build an engine for small-32: require_full_compilation=True was specified, but model is not "
        "fully supported"
    )
    assert [file.name for file in tmp_path.glob("*.pt2*")] == []


@pytest.mark.usefixtures("library")
def test_pnet_is_refused_by_tensorrt(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="mtcnn_pnet has other free sizes than its batch"):
        build(mtcnn_networks().pnet, TARGET, cache_dir=tmp_path, on_step=lambda _: None)


def test_a_library_that_cannot_be_imported_is_an_error_and_prints_nothing(
    library: StandIn, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    library.behave("no import")
    with pytest.raises(EngineError, match="torch_tensorrt is installed but cannot be imported: import error when try"):
        built(tmp_path)
    assert capfd.readouterr().out == ""


def test_checking_availability_imports_nothing(library: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    library.behave("no import")
    assert TensorRtBackend().unavailable() is None
    assert "torch_tensorrt" not in sys.modules
    monkeypatch.setattr(tensorrt, "cuda_missing", lambda: "no NVIDIA driver on this machine")
    assert TensorRtBackend().unavailable() == "no NVIDIA driver on this machine"


def test_tensorrt_may_be_distributed_under_another_name(
    library: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = tmp_path / "packages" / "tensorrt-11.0.0.dist-info"
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: tensorrt-cu13\nVersion: 11.0.1\n")
    facts.rename(facts.with_name("tensorrt_cu13-11.0.1.dist-info"))
    monkeypatch.setattr(tensorrt, "packages_distributions", metadata.packages_distributions)
    assert TensorRtBackend().unavailable() is None
    assert engine_key(NETWORK, TARGET).versions["tensorrt"] == "11.0.1"


@pytest.mark.parametrize("absent", ["torch_tensorrt", "tensorrt"])
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, absent: str, tmp_path: Path) -> None:
    monkeypatch.setattr(tensorrt, "cuda_missing", lambda: None)
    there = {name: [name] for name in ("torch_tensorrt", "tensorrt") if name != absent}
    monkeypatch.setattr(tensorrt, "packages_distributions", lambda: there)
    assert TensorRtBackend().unavailable() == f"{absent} is not installed (pip install deepfake-monitor[gpu])"
    with pytest.raises(EngineError, match=f"the backend tensorrt cannot run small-32: {absent} is not installed"):
        TensorRtBackend().compile(NETWORK, threads=1, cache_dir=tmp_path)


def test_a_full_disk_is_an_error_before_the_build(
    library: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorrt.shutil, "disk_usage", lambda _: SimpleNamespace(free=100 << 20))
    with pytest.raises(
        EngineError, match=r"cannot be stored in .* \(100 MB are free, 256 are needed\): free space there"
    ):
        built(tmp_path)
    assert library.calls("compile") == []


def test_a_disk_that_fills_up_while_writing_leaves_no_file(library: StandIn, tmp_path: Path) -> None:
    """A real system limit in a child process: files are limited to 4 KB."""
    program = f"""
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sys.path[:0] = {[str(Path(__file__).parents[1]), str(tmp_path / "packages")]!r}
from pathlib import Path
from monitor.inference.tensorrt import build
from monitor.errors import EngineError
from support.small_networks import small_classifier
from support.tensorrt_stand_in import TARGET
def limited(step):
    if step == "writing the engine":
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    build(small_classifier(), TARGET, cache_dir=Path({str(tmp_path / "cache")!r}), on_step=limited)
except EngineError as error:
    sys.stderr.write(str(error))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=100)
    assert "the TensorRT engine cannot be stored in" in done.stderr
    assert "free space there, or choose another folder with the setting cache_dir" in done.stderr
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["building"]


@pytest.mark.usefixtures("library")
def test_one_process_builds_at_a_time(tmp_path: Path) -> None:
    with (
        alone_in(tmp_path / "building"),
        pytest.raises(EngineError, match="another process is building a TensorRT eng"),
    ):
        built(tmp_path)


@pytest.mark.parametrize(
    ("found", "expected"),
    [("580.65.06", "580.65.06"), (None, "unknown"), (3, "unknown")],
    ids=["there", "no library", "an error"],
)
def test_the_driver_version_comes_from_nvml(
    monkeypatch: pytest.MonkeyPatch, found: str | int | None, expected: str
) -> None:
    class Nvml:
        def nvmlInit_v2(self) -> int:  # noqa: N802 - NVML's name
            return found if isinstance(found, int) else 0

        def nvmlSystemGetDriverVersion(self, text: Any, size: int) -> int:  # noqa: N802 - NVML's name
            text.value = str(found).encode()
            return 0

        def nvmlShutdown(self) -> int:  # noqa: N802 - NVML's name
            return 0

    def load(name: str) -> Nvml:
        if found is None:
            raise OSError(name)
        return Nvml()

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert driver_version() == expected


def test_the_target_is_the_current_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100 80GB HBM3")
    monkeypatch.setattr(tensorrt, "driver_version", lambda: "580.65.06")
    assert TensorRtBackend().target() == Target("NVIDIA H100 80GB HBM3", "9.0", "580.65.06", "cuda", "float16")


@pytest.mark.timeout(400)
def test_the_shipped_detector_survives_export_saving_and_loading(tmp_path: Path) -> None:
    """With several batch sizes in TensorRT's range; the export is TensorRT's input, run on the CPU in fp32."""
    network = load_classifier().network
    program, _, batch = tensorrt._trace(network, TARGET)
    assert (batch.min, batch.max) == (1, 64)
    torch.export.save(program, str(tmp_path / "engine.pt2"))
    loaded, module = torch.export.load(str(tmp_path / "engine.pt2")).module(), network.build()
    for count in (1, 4):
        planes = torch.randn(count, 3, 160, 160, generator=torch.Generator().manual_seed(count))
        with torch.inference_mode():
            for ours, theirs in zip(loaded(planes), module(planes), strict=True):
                torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-5)


def test_nothing_is_logged_above_information(filled: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert tensorrt_stand_in.backend().cached(NETWORK, cache_dir=filled) is not None
    assert caplog.text == ""


_WHY = cuda_missing() or (None if find_spec("torch_tensorrt") else "torch_tensorrt is not installed")


needs_tensorrt = pytest.mark.skipif(_WHY is not None, reason=f"needs a CUDA GPU and torch-tensorrt: {_WHY}")


@pytest.fixture(scope="module")
def gpu_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tensorrt")


@pytest.mark.tensorrt
@needs_tensorrt
@pytest.mark.timeout(1800)
def test_gpu_an_engine_agrees_in_every_bucket_and_is_cached(gpu_cache: Path) -> None:
    network = configured_committee(Settings()).classifiers[0].network
    backend = TensorRtBackend()
    engine = backend.compile(network, threads=4, cache_dir=gpu_cache)  # refuses an engine that disagrees
    assert engine.name == "tensorrt-fp16"
    assert backend.cached(network, cache_dir=gpu_cache) is not None


@pytest.mark.tensorrt
@needs_tensorrt
@pytest.mark.timeout(3600)
def test_gpu_memory_does_not_grow(gpu_cache: Path) -> None:
    """5000 calls; DEEPFAKE_MONITOR_GPU_CALLS=100000 for the full test."""
    network = configured_committee(Settings()).classifiers[0].network
    engine = TensorRtBackend().compile(network, threads=4, cache_dir=gpu_cache)
    faces = network.reference_crops() if network.reference_crops else crops(0)
    for count in TENSORRT_BUCKETS:
        engine.run(faces[np.arange(count) % len(faces)])
    before = torch.cuda.mem_get_info()[0]
    for call in range(int(os.environ.get("DEEPFAKE_MONITOR_GPU_CALLS", "5000"))):
        engine.run(faces[: 1 + call % len(faces)])
    assert before - torch.cuda.mem_get_info()[0] < 64 << 20


@pytest.mark.tensorrt
@needs_tensorrt
@pytest.mark.timeout(1800)
def test_gpu_two_processes_share_an_engine_and_a_card(gpu_cache: Path) -> None:
    program = f"""
from pathlib import Path
from monitor.inference.tensorrt import TensorRtBackend
from monitor.analysis.pipeline import configured_committee
from monitor.settings import Settings
network = configured_committee(Settings()).classifiers[0].network
engine = TensorRtBackend().compile(network, threads=4, cache_dir=Path({str(gpu_cache)!r}))
print(sorted({{engine.run(network.reference_crops()[:8])[0].tobytes().hex() for _ in range(200)}}))
"""
    TensorRtBackend().compile(configured_committee(Settings()).classifiers[0].network, threads=4, cache_dir=gpu_cache)
    command = [sys.executable, "-c", program]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=600)[0].splitlines()[-1] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert answers[0] == answers[1]
    assert answers[0].count("'") == 2  # one answer in all calls
