import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from support.small_networks import small_classifier

from monitor.errors import EngineError
from monitor.inference.backends import BackendSelection, CudaBackend, Engine
from monitor.inference.engine_upgrade import NOT_BUILT, upgrade_engines
from monitor.inference.torch_runtime import TorchBackend, TorchEngine
from monitor.types import Floats, Pixels


class Off:
    """The reference with an added error."""

    name = "tensorrt-fp16"

    def __init__(self, engine: TorchEngine, by: float) -> None:
        self.engine, self.by = engine, by

    def run(self, batch: Pixels | Floats) -> tuple[Floats, ...]:
        logits, maps = self.engine.run(batch)
        return logits + np.float32(self.by), maps


class Faster:
    """A backend whose cache holds an engine, no engine, or an error."""

    name = "tensorrt"

    def __init__(self, held: Engine | EngineError | None) -> None:
        self.held = held

    def cached(self, network: object, *, cache_dir: Path) -> Engine | None:
        if isinstance(self.held, EngineError):
            raise self.held
        return self.held


def choice(held: Engine | EngineError | None) -> BackendSelection:
    others = {"onnxruntime": "cuda was preferred", "tensorrt": NOT_BUILT}
    return BackendSelection(CudaBackend(), "there is a CUDA GPU", others, faster=cast("Any", Faster(held)))


def off(by: float, cache_dir: Path) -> Off:
    return Off(TorchBackend().compile(small_classifier(), threads=1, cache_dir=cache_dir), by)


def promote(before: BackendSelection, cache_dir: Path) -> tuple[list[Engine], BackendSelection]:
    return upgrade_engines(before, [small_classifier()], threads=1, cache_dir=cache_dir)


def test_an_engine_that_agrees_is_selected_with_a_reason(tmp_path: Path) -> None:
    held = off(0.01, tmp_path)
    before = choice(held)
    (engine,), after = promote(before, tmp_path)
    assert engine is held
    assert after.backend is before.faster
    assert after.reason.startswith("the fastest on this GPU; on 30 faces its logits are within 0.0100 of fp32")
    assert after.others == {"onnxruntime": "cuda was preferred", "cuda": "tensorrt was preferred: it is faster"}
    assert after.faster is None


def test_an_engine_that_disagrees_is_refused_permanently(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = choice(off(0.2, tmp_path))
    with caplog.at_level(logging.WARNING):
        found, after = promote(before, tmp_path)
    assert found == []
    assert after.backend is before.backend
    assert after.reason == before.reason
    assert after.others["tensorrt"].startswith("tensorrt-fp16 is refused: on 30 faces its logits are within 0.2000")
    assert after.faster is None  # another build would give the same engine
    assert "cuda goes on, tensorrt is not used: tensorrt-fp16 is refused" in caplog.text


def test_a_missing_engine_remains_to_be_built(tmp_path: Path) -> None:
    before = choice(None)
    assert promote(before, tmp_path) == ([], before)


def test_a_library_that_cannot_be_imported_is_not_tried_again(tmp_path: Path) -> None:
    found, after = promote(choice(EngineError("torch_tensorrt is installed but cannot be imported: no")), tmp_path)
    assert found == []
    assert after.others["tensorrt"] == "torch_tensorrt is installed but cannot be imported: no"
    assert after.faster is None


def test_without_a_faster_backend_nothing_changes(tmp_path: Path) -> None:
    before = replace(choice(None), faster=None)
    assert promote(before, tmp_path) == ([], before)
