from __future__ import annotations

from monitor.models import meso4


def test_it_has_the_published_number_of_parameters() -> None:
    assert sum(value.numel() for value in meso4.body().parameters()) == 27_977


def test_there_is_one_input_size() -> None:
    assert list(meso4.INPUT_SIZES) == [256]
