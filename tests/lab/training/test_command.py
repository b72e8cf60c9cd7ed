import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.classifiers.model_card import read_card
from monitor.lab.training.__main__ import main
from monitor.lab.training.experiment import read_experiment

TOML = """
name = "from-the-command-line"
model = "meso4"
precision = "fp32"
[[data]]
name = "pairs"
pseudo_fakes = 0.5
[[stages]]
size = 256
images = 40
batch = 4
[validation]
every_images = 16
"""
WITHOUT = ("pydantic", "av", "onnxruntime", "platformdirs", "openvino", "typer")
BARE = f"""
import runpy, sys

sys.modules.update(dict.fromkeys({WITHOUT}))  # they cannot be imported
sys.argv = ["training", *sys.argv[1:]]
runpy.run_module("monitor.lab.training", run_name="__main__")
"""


@pytest.fixture
def arguments(roots: list[Path], tmp_path: Path) -> list[str]:
    toml = tmp_path / "experiment.toml"
    toml.write_text(TOML)
    return [str(toml), "--data", str(roots[0]), "--out", str(tmp_path / "out"), "--threads", "1", "--device", "cpu"]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=False)


def test_it_trains_where_only_torch_is_at_hand_and_goes_on_elsewhere(arguments: list[str], tmp_path: Path) -> None:
    first = run("-c", BARE, *arguments, "--minutes", "0")
    assert first.returncode == 0, first.stderr
    assert "from-the-command-line: meso4 on cpu, fp32" in first.stderr
    assert re.search(r"stopped, run the same command to go on: 4 of 40 images", first.stderr)
    assert first.stdout == "", "nothing was validated yet, there is nothing to ship"
    assert "no weights yet: they are first validated after 16 images" in first.stderr

    second = run("-m", "monitor", "lab", "train", *arguments)
    assert second.returncode == 0, second.stderr
    assert "going on after 4 images" in second.stderr
    assert re.search(r"16 images, \d\.\d\d h, 256 px: val AUC pairs \d\.\d{3}, self_blended \d\.\d{3}", second.stderr)
    assert "finished: 40 of 40 images" in second.stderr
    weights = Path(second.stdout.strip())
    assert weights == tmp_path / "out" / "meso4.safetensors"
    card = read_card(weights.with_suffix(".json"), weights=weights)
    assert card.training["experiment_sha256"] == read_experiment(tmp_path / "experiment.toml").digest
    assert re.search(r"pairs: 5 labelled pairs \(50 % of a batch\)", second.stderr)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_asked_to_stop_it_finishes_the_step_and_keeps_it(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "experiment.toml").write_text(TOML.replace("images = 40", "images = 4000"))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    command = [sys.executable, "-m", "monitor.lab.training", *arguments]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as training:
        assert training.stderr is not None
        assert any("16 images" in line for line in training.stderr), "it never validated"
        training.send_signal(signal.SIGTERM)
        said = training.stderr.read()
    assert training.returncode == 0, said
    assert "stopped, run the same command to go on" in said
    assert (tmp_path / "out" / "checkpoint.pt").exists()


@pytest.mark.parametrize(
    ("old", "new", "code", "sentence"),
    [
        ("batch = 4", "batch = 5", 2, r"error: experiment .*experiment\.toml: stages\.batch must be even"),
        ('name = "pairs"', 'name = "pears"', 3, "error: there is no set of face crops 'pears'"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    code: int,
    sentence: str,
) -> None:
    (tmp_path / "experiment.toml").write_text(TOML.replace(old, new))
    monkeypatch.setattr(sys, "argv", ["training", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == code
    assert re.search(sentence, capsys.readouterr().err.replace("\n", " "))
