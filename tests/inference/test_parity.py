from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.small_networks import small_classifier

from monitor.errors import EngineError
from monitor.inference.backends import Engine
from monitor.inference.batch_buckets import BUCKETS
from monitor.inference.parity import BATCHES, LOGIT_TOLERANCE, MAP_TOLERANCE, Parity, measure_parity, require_parity
from monitor.inference.tensorrt import TENSORRT_BUCKETS
from monitor.inference.torch_runtime import TorchBackend
from monitor.types import Floats, Pixels

CROPS = np.random.default_rng(0).integers(0, 255, (7, 4, 4, 3), np.uint8)


class Brightness:
    """The mean of each crop, with an error of ``wrong`` in the last row of a batch of ``size``."""

    name = "brightness-fp32"

    def __init__(self, *, size: int = 0, wrong: float = 0.0, maps_wrong: float = 0.0) -> None:
        self.size, self.wrong, self.maps_wrong = size, wrong, maps_wrong
        self.sizes: list[int] = []

    def run(self, batch: Pixels | Floats) -> tuple[Floats, ...]:
        self.sizes.append(len(batch))
        maps: Any = batch.astype(np.float32).mean(3) / 255
        logits = maps.mean((1, 2))
        if len(batch) == self.size:
            logits[-1] += self.wrong
            maps[-1, 0, 0] += self.maps_wrong
        return logits, maps


def test_the_parity_test_runs_every_bucket_twice() -> None:
    engine = Brightness()
    found = measure_parity(engine, Brightness(), CROPS)
    assert engine.sizes == [*BATCHES, *BATCHES]
    for runners in (TENSORRT_BUCKETS, BUCKETS):
        assert set(runners) < set(BATCHES), "full"
        assert max(BATCHES) > max(runners)
    assert {
        next(runner for runner in TENSORRT_BUCKETS if runner > size) for size in set(BATCHES) - {*TENSORRT_BUCKETS, 65}
    } == {4, 16, 64}, "padded"
    assert found == Parity(logit=0.0, evidence=0.0, crops=7)
    assert found.is_close


@pytest.mark.parametrize("size", BATCHES)
def test_one_wrong_row_of_one_size_is_enough_to_refuse(size: int) -> None:
    wrong = measure_parity(Brightness(size=size, wrong=-0.06), Brightness(), CROPS)
    assert wrong.logit == pytest.approx(0.06, abs=1e-6)
    assert not wrong.is_close
    slightly = measure_parity(Brightness(size=size, wrong=0.04), Brightness(), CROPS)
    assert slightly.is_close


def test_a_wrong_map_is_refused_too() -> None:
    found = measure_parity(Brightness(size=5, maps_wrong=0.2), Brightness(), CROPS)
    assert (found.logit, found.is_close) == (0.0, False)
    assert str(found) == (
        f"on 7 faces its logits are within 0.0000 of fp32 (allowed: {LOGIT_TOLERANCE:g}), "
        f"its evidence maps within 0.2000 (allowed: {MAP_TOLERANCE:g})"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_fail_the_parity_test(value: float) -> None:
    found = measure_parity(Brightness(size=1, wrong=value), Brightness(), CROPS)
    assert found.logit == np.inf
    assert not found.is_close


class Small(Brightness):
    """Returns a map of another shape."""

    def run(self, batch: Pixels | Floats) -> tuple[Floats, ...]:
        logits, maps = super().run(batch)
        return logits, maps[:, :2]


def test_another_shape_fails_the_parity_test() -> None:
    assert measure_parity(Small(), Brightness(), CROPS).evidence == np.inf


class Off:
    """The reference with an added error."""

    name = "tensorrt-fp16"

    def __init__(self, engine: Engine, by: float) -> None:
        self.engine, self.by = engine, by

    def run(self, batch: Pixels | Floats) -> tuple[Floats, ...]:
        logits, maps = self.engine.run(batch)
        return logits + np.float32(self.by), maps


def test_require_parity_refuses_an_engine_that_disagrees(tmp_path: Path) -> None:
    network = small_classifier()
    reference = TorchBackend().compile(network, threads=1, cache_dir=tmp_path)
    found = require_parity(Off(reference, 0.01), network, threads=1, cache_dir=tmp_path)
    assert (found.crops, found.is_close) == (30, True)
    with pytest.raises(EngineError, match=r"tensorrt-fp16 is refused: on 30 faces its logits are within 0.1000"):
        require_parity(Off(reference, 0.1), network, threads=1, cache_dir=tmp_path)
    with pytest.raises(EngineError, match="no faces to compare it with"):
        require_parity(Off(reference, 0), replace(network, reference_crops=None), threads=1, cache_dir=tmp_path)
