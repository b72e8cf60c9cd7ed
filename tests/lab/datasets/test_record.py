from pathlib import Path

import pytest

from monitor.errors import DatasetError
from monitor.lab.datasets.record import FakeSpan, Record, overlap


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


def test_boxes_overlap_by_the_part_that_they_share() -> None:
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1.0
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (10, 0, 15, 10)) == overlap((0, 0, 1, 1), (5, 5, 6, 6)) == 0.0
    assert overlap((3, 3, 3, 3), (3, 3, 3, 3)) == 0.0, "nothing shares nothing"
