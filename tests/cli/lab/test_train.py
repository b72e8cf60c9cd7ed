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
[[data]]
name = "pairs"
[[stages]]
size = 256
images = 8
batch = 4
"""


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    write_faces(tmp_path / "sets" / "pairs", pair_rows(3, split="train") + pair_rows(2, split="val", start=3))
    (tmp_path / "small.toml").write_text(TOML)
    return ["small.toml", "--data", "sets", "--threads", "1", "--device", "cpu"]


def test_the_weights_path_is_all_that_stdout_says(cli: Cli, arguments: list[str]) -> None:
    said = cli("lab", "train", *arguments, "--out", "out")
    assert (said.code, said.out.strip()) == (0, str(Path("out") / "meso4.safetensors"))
    card = json.loads(Path("out/meso4.json").read_text())
    assert card["id"] == "small"


def test_a_failure_is_one_sentence(cli: Cli, arguments: list[str]) -> None:
    said = cli("lab", "train", "gone.toml", *arguments[1:], "--out", "out")
    assert said.code == 2
    assert "experiment gone.toml does not exist" in said.err
    assert not Path("out").exists()
