from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from face_shards import pair_rows, write_faces

Cli = Callable[..., "object"]
TOML = """
name = "small"
model = "meso4"
precision = "fp32"
[[data]]
name = "pairs"
[[stages]]
size = 256
images = 8
batch = 4
"""


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    write_faces(tmp_path / "sets" / "pairs", pair_rows(3, split="train"))
    (tmp_path / "small.toml").write_text(TOML)
    return ["lab", "speed", "small.toml", "--data", "sets", "--steps", "2"]


def test_a_line_for_each_size(cli: Cli, arguments: list[str]) -> None:
    said = cli(*arguments)
    assert said.code == 0
    assert "meso4, fp32, 1 threads, medians of 2 steps" in said.out
    assert "wait for crops" in said.out
    assert "learning alone" in said.out
    assert not Path("out").exists()


def test_the_same_as_json(cli: Cli, arguments: list[str]) -> None:
    (found,) = json.loads(cli(*arguments, "--json").out)
    assert found["size"] == 256
    assert found["images_per_second"] > 0
    assert 0 < found["peak_share"] < 1
