import json
from collections.abc import Callable

import pytest

Cli = Callable[..., "object"]


@pytest.fixture
def arguments(small_experiment: list[str]) -> list[str]:
    return ["lab", "speed", *small_experiment, "--steps", "2"]


def test_a_line_for_each_size(cli: Cli, arguments: list[str]) -> None:
    said = cli(*arguments)
    assert said.code == 0
    assert "meso4, fp32, 1 threads, medians of 2 steps" in said.out
    assert "wait for crops" in said.out
    assert "learning alone" in said.out


def test_the_same_as_json(cli: Cli, arguments: list[str]) -> None:
    (found,) = json.loads(cli(*arguments, "--json").out)
    assert found["size"] == 256
    assert found["images_per_second"] > 0
    assert 0 < found["peak_share"] < 1
