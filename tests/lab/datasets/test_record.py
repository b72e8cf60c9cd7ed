from __future__ import annotations

from pathlib import Path

import pytest

from monitor.errors import DatasetError
from monitor.lab.datasets.record import FakeSpan, Record


def test_a_record_is_real_or_fake_and_in_a_known_split() -> None:
    assert Record("d", "a", Path("a.mp4"), 1, "val").split == "val"
    with pytest.raises(DatasetError, match="label is 2"):
        Record("d", "a", Path("a.mp4"), 2)
    with pytest.raises(DatasetError, match="split is 'dev'"):
        Record("d", "a", Path("a.mp4"), 0, "dev")
    with pytest.raises(DatasetError, match="needs a video id"):
        Record("d", "", Path("a.mp4"), 0)


@pytest.mark.parametrize(("start", "end"), [(1.0, 1.0), (2.0, 1.0), (-1.0, 1.0), (float("nan"), 1.0)])
def test_a_span_has_a_length(start: float, end: float) -> None:
    with pytest.raises(DatasetError, match="fake span"):
        FakeSpan(start, end)
