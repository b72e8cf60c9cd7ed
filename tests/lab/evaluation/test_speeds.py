from types import SimpleNamespace

import numpy as np
import pytest

from monitor.lab.evaluation.speeds import faces_per_second


def test_it_is_the_median_of_turns_without_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    order: list[str] = []
    monkeypatch.setattr("monitor.lab.evaluation.speeds.time.perf_counter", lambda: now[0])

    class Stand:
        """An engine whose rounds take the given seconds."""

        def __init__(self, name: str, *seconds: float) -> None:
            self.name, self._seconds = name, list(seconds)
            self.classifier = SimpleNamespace(input_size=96)
            self.scorer = SimpleNamespace(engine=self)

        def run(self, batch):
            assert (batch.shape, batch.dtype) == ((1, 96, 96, 3), np.uint8)
            order.append(self.name)
            now[0] += self._seconds.pop(0)

    speeds = faces_per_second([Stand("a", 9.0, 0.5, 0.5, 0.1), Stand("b", 9.0, 0.25, 0.2, 4.0)], rounds=3)  # type: ignore[list-item]
    assert speeds == pytest.approx([2.0, 4.0])
    assert order == ["a", "b"] * 4
