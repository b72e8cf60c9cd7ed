from __future__ import annotations

from monitor.models import mesoinception4


def test_it_has_the_published_number_of_parameters() -> None:
    assert sum(value.numel() for value in mesoinception4.body().parameters()) == 28_615


def test_there_is_one_input_size() -> None:
    assert list(mesoinception4.INPUT_SIZES) == [256]
