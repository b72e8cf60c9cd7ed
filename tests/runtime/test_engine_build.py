"""From the first start on the backend that runs at once to the engine that was built meanwhile, on stand-ins for the
library (tensorrt_stand_in) and for ``torch.cuda`` (cuda_stand_in). The child process is a real one."""

import logging
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import cuda_stand_in, tensorrt_stand_in
from support.small_networks import SIDE, reference_crops, small_classifier
from support.tensorrt_stand_in import TARGET, StandIn

from monitor.analysis.pipeline import Engines, Pipeline
from monitor.analysis.scores import Scorer
from monitor.classifiers.committee import Committee
from monitor.errors import EngineError
from monitor.inference.backends import BackendSelection, CudaBackend, Engine
from monitor.inference.engine_upgrade import NOT_BUILT, upgrade_engines
from monitor.inference.tensorrt import TensorRtBackend
from monitor.inference.torch_runtime import TorchBackend
from monitor.media.sources import open_source
from monitor.runtime import EngineBuild
from monitor.settings import Settings, SourceSettings
from monitor.types import Floats, Frame, Observation, Pixels


class Serving:
    """The initial engine: the reference, with the name that it would have on a GPU."""

    name = "cuda-bf16"

    def __init__(self, engine: Engine, when_run: Callable[[], None] = lambda: None) -> None:
        self.engine, self.when_run = engine, when_run

    def run(self, batch: Pixels | Floats) -> tuple[Floats, ...]:
        self.when_run()
        return self.engine.run(batch)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    cuda_stand_in.install(monkeypatch)
    return tensorrt_stand_in.install(tmp_path / "packages", monkeypatch)


@pytest.fixture
def quick_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child is forked from a fresh process that has imported torch once, not started from nothing each time."""
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload(["monitor.runtime.engine_build", "support.small_networks"])
    monkeypatch.setattr("monitor.runtime.engine_build.multiprocessing.get_context", lambda method: forkserver)


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with a cache for this test."""
    return settings.model_copy(update={"cache_dir": tmp_path / "cache"})


@pytest.fixture
def small(engines: Engines, tmp_path: Path) -> Engines:
    """Engines at the first start on a machine with a GPU, with a small classifier."""
    classifier = replace(engines.classifier, network=small_classifier(), input_size=SIDE)
    served = Serving(TorchBackend().compile(classifier.network, threads=1, cache_dir=tmp_path))
    choice = BackendSelection(
        CudaBackend(), "there is a CUDA GPU", {"tensorrt": NOT_BUILT}, faster=tensorrt_stand_in.backend()
    )
    return replace(engines, scorers=(Scorer(classifier, served),), committee=Committee((classifier,)), choice=choice)


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    with open_source("demo:", SourceSettings(demo_seconds=3)) as source:
        return list(source)


def named(observations: list[Observation]) -> list[str]:
    return list(dict.fromkeys(observation.engine for observation in observations))


def test_frames_continue_during_the_build_and_the_switch_is_visible(
    library: StandIn, small: Engines, own: Settings, frames: list[Frame], caplog: pytest.LogCaptureFixture
) -> None:
    pipeline, observations, told = Pipeline(small, own, live=True), [], set()
    with caplog.at_level(logging.INFO), EngineBuild(small, own) as build:
        for frame in frames[:20]:
            observations.append(pipeline.step(frame))
            told.add(small.choice.others["tensorrt"].split(",")[0])
        build.wait()
        observations += [pipeline.step(frame) for frame in frames[20:40]]
    assert named(observations) == ["cuda-bf16", "tensorrt-fp32"]
    assert observations[19].engine == "cuda-bf16"
    assert observations[-1].engine == "tensorrt-fp32"
    assert told >= {"its engine is being built: a process is started"}
    assert small.choice.backend.name == "tensorrt"
    assert small.choice.reason.startswith("the fastest on this GPU; on 30 faces its logits are within 0.0000 of fp32")
    assert small.choice.others == {"cuda": "tensorrt was preferred: it is faster"}
    assert "building the tensorrt engine: TensorRT chooses its kernels" in caplog.text
    assert "tensorrt-fp32 scores from now on, instead of cuda-bf16: the fastest on this GPU" in caplog.text


def test_the_build_runs_in_a_nice_and_silent_child_process(
    library: StandIn, small: Engines, own: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    with EngineBuild(small, own) as build:
        build.wait()
    (compiled,) = library.calls("compile")
    assert compiled["pid"] != os.getpid()
    assert compiled["nice"] > os.nice(0)
    assert capfd.readouterr().out == ""


@pytest.mark.usefixtures("quick_child")
def test_the_next_start_finds_the_engine(library: StandIn, small: Engines, own: Settings, tmp_path: Path) -> None:
    first = small.choice
    with EngineBuild(small, own) as build:
        build.wait()
    (engine,), choice = upgrade_engines(first, [small.classifier.network], threads=1, cache_dir=tmp_path / "cache")
    assert (engine.name, choice.backend.name, choice.faster) == ("tensorrt-fp32", "tensorrt", None)
    again = replace(small, choice=choice)
    with EngineBuild(again, own) as build:
        build.wait()
    assert len(library.calls("compile")) == 1


@pytest.mark.usefixtures("quick_child")
def test_an_engine_that_disagrees_is_never_used(
    library: StandIn, small: Engines, own: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    library.behave("wrong")
    with EngineBuild(small, own) as build:
        build.wait()
    assert small.scorer.engine.name == "cuda-bf16"
    assert small.choice.backend.name == "cuda"
    assert small.choice.others["tensorrt"].startswith(
        "tensorrt-fp32 is refused: on 30 faces its logits are within 0.2000"
    )
    assert "cuda goes on, tensorrt is not used: tensorrt-fp32 is refused" in caplog.text


@pytest.mark.usefixtures("quick_child")
@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("refuses", "TensorRT cannot build an engine for small-32: require_full_compilation=True was specified"),
        ("dies", "the process that built the tensorrt engine died (exit code -9), perhaps for lack of memory"),
        ("no import", "torch_tensorrt is installed but cannot be imported: import error"),
    ],
)
def test_a_failed_build_keeps_the_current_engine(
    library: StandIn, small: Engines, own: Settings, frames: list[Frame], how: str, why: str
) -> None:
    library.behave(how)
    with EngineBuild(small, own) as build:
        build.wait()
    assert small.choice.others["tensorrt"].startswith(why)
    observation = Pipeline(small, own).step(frames[0])
    assert observation.engine == "cuda-bf16"


@pytest.mark.usefixtures("library", "quick_child")
def test_an_engine_that_cannot_be_loaded_is_the_reason(
    small: Engines, own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(*_: object) -> None:
        raise AssertionError("deserialisation failed")

    monkeypatch.setattr("monitor.inference.tensorrt._load", odd)
    with EngineBuild(small, own) as build:
        build.wait()
    assert small.scorer.engine.name == "cuda-bf16"
    assert small.choice.others["tensorrt"] == "its engine was built but cannot be loaded: see the log"


@pytest.mark.usefixtures("library", "quick_child")
def test_an_engine_that_is_ready_after_the_end_is_not_used(
    small: Engines, own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = EngineBuild(small, own)

    def late(*given: Any, **named: Any) -> Any:
        build._stop.set()
        return upgrade_engines(*given, **named)

    monkeypatch.setattr("monitor.runtime.engine_build.upgrade_engines", late)
    with build:
        build.wait()
    assert small.scorer.engine.name == "cuda-bf16"


def test_without_disk_space_the_current_backend_stays(
    library: StandIn, small: Engines, own: Settings, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with EngineBuild(small, own) as build:
        build.wait()
    assert small.scorer.engine.name == "cuda-bf16"
    assert small.choice.others["tensorrt"].startswith(f"{tmp_path / 'cache' / 'building'} cannot be written (Not a dir")


@pytest.mark.usefixtures("quick_child")
def test_closing_ends_a_build_and_its_process(library: StandIn, small: Engines, own: Settings, tmp_path: Path) -> None:
    library.behave("slow")
    build = EngineBuild(small, own)
    build.start()
    deadline = time.monotonic() + 60
    while not library.calls("compile") and time.monotonic() < deadline:
        time.sleep(0.05)
    (compiled,) = library.calls("compile")
    began = time.monotonic()
    build.close()
    assert time.monotonic() - began < 3
    with pytest.raises(ProcessLookupError):
        os.kill(compiled["pid"], 0)
    assert small.scorer.engine.name == "cuda-bf16"
    assert list((tmp_path / "cache").glob("*.pt2*")) == []


@pytest.mark.usefixtures("library", "quick_child")
def test_an_unexpected_error_is_the_visible_reason(
    small: Engines, own: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def odd(backend: TensorRtBackend) -> None:
        raise ZeroDivisionError("odd")

    monkeypatch.setattr(TensorRtBackend, "target", odd)
    with EngineBuild(small, own) as build:
        build.wait()
    assert "unexpectedly: ZeroDivisionError('odd')" in small.choice.others["tensorrt"]
    assert "a job in the background failed" in caplog.text


def test_without_a_faster_backend_nothing_is_built(engines: Engines, own: Settings) -> None:
    before = engines.choice
    with EngineBuild(engines, own) as build:
        build.wait()
    assert engines.choice is before
    assert before.faster is None


@pytest.mark.parametrize("live", [True, False])
def test_a_frame_keeps_its_engine_during_a_replacement(
    small: Engines, own: Settings, frames: list[Frame], live: bool
) -> None:
    """An observation names the engine of its scores; a file keeps one engine to its end."""
    reference = TorchBackend().compile(small.classifier.network, threads=1, cache_dir=Path())
    after = Serving(reference)
    after.name = "tensorrt-fp16"
    before = Serving(reference, when_run=lambda: small.replace_engines([after], small.choice))
    small.scorer.engine = before
    pipeline = Pipeline(small, own, live=live)
    observations = [pipeline.step(frame) for frame in frames[:15]]
    scored = [observation for observation in observations if len(observation.scores)]
    assert [scored[0].engine, scored[1].engine] == ["cuda-bf16", "tensorrt-fp16" if live else "cuda-bf16"]
    assert Pipeline(small, own).step(frames[0]).engine == "tensorrt-fp16"


def test_an_explicitly_named_engine_is_compared_too(
    library: StandIn, own: Settings, monkeypatch: pytest.MonkeyPatch, engines: Engines
) -> None:
    """``classifier.backend=tensorrt`` builds in the foreground; an engine that disagrees has no fallback."""
    classifier = replace(engines.classifier, network=small_classifier(), input_size=SIDE)
    monkeypatch.setattr("monitor.analysis.pipeline.configured_committee", lambda *_, **__: Committee((classifier,)))
    monkeypatch.setattr(TensorRtBackend, "exact", lambda _: TorchBackend())
    monkeypatch.setattr(TensorRtBackend, "target", lambda _: TARGET)
    asked = own.model_copy(update={"classifier": own.classifier.model_copy(update={"backend": "tensorrt"})})
    loaded = Engines.load(asked)
    assert loaded.scorer.engine.name == "tensorrt-fp32"
    assert loaded.choice.reason == "it was asked for"
    library.behave("wrong")
    other = asked.model_copy(update={"cache_dir": own.cache_dir.with_name("other")})
    with pytest.raises(EngineError, match="tensorrt-fp32 is refused"):
        Engines.load(other)


@pytest.mark.usefixtures("quick_child")
def test_auto_starts_on_the_cached_engine(
    library: StandIn, own: Settings, small: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier, first = small.classifier, small.choice
    monkeypatch.setattr("monitor.analysis.pipeline.configured_committee", lambda *_, **__: Committee((classifier,)))
    monkeypatch.setattr("monitor.analysis.pipeline.choose", lambda _: first)
    monkeypatch.setattr(CudaBackend, "exact", lambda _: TorchBackend())
    monkeypatch.setattr(CudaBackend, "compile", lambda *_, **__: Serving(small.scorer.engine))
    before = Engines.load(own)
    assert (before.scorer.engine.name, before.choice.others) == ("cuda-bf16", {"tensorrt": NOT_BUILT})
    with EngineBuild(before, own) as build:
        build.wait()
    after = Engines.load(own)
    assert after.scorer.engine.name == "tensorrt-fp32"
    crops = reference_crops()
    np.testing.assert_allclose(after.scorer.engine.run(crops)[0], before.scorer.engine.run(crops)[0], atol=1e-4)
