import json
from collections.abc import Callable
from pathlib import Path

Cli = Callable[..., "object"]
ON_CPU = ("--threads", "1", "--device", "cpu", "--out", "out")


def test_the_weights_path_is_all_that_stdout_says(cli: Cli, small_experiment: list[str]) -> None:
    said = cli("lab", "train", *small_experiment, *ON_CPU)
    assert (said.code, said.out.strip()) == (0, str(Path("out") / "meso4.safetensors"))
    card = json.loads(Path("out/meso4.json").read_text())
    assert card["id"] == "small"


def test_a_failure_is_one_sentence(cli: Cli, small_experiment: list[str]) -> None:
    said = cli("lab", "train", "gone.toml", *small_experiment[1:], *ON_CPU)
    assert said.code == 2
    assert "experiment gone.toml does not exist" in said.err
    assert not Path("out").exists()
