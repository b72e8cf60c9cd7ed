import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from monitor.classifiers import load_classifier
from monitor.cli.lab.import_mesonet import import_mesonet
from monitor.errors import ModelError

pytest.importorskip("h5py", reason="needs: pip install 'deepfake-monitor[meso-h5]'")
from support import keras_mesonet as keras

app = typer.Typer()
app.command()(import_mesonet)


@pytest.mark.parametrize("name", ["Meso4", "MesoInception4"])
def test_weights_and_card_can_be_used_at_once(tmp_path: Path, name: str) -> None:
    file, out = keras.write_keras(tmp_path / "them.h5", keras.keras_layers(name)), tmp_path / "net.safetensors"
    done = CliRunner().invoke(app, [str(file), "--out", str(out), "--crop-side", "1.2"])
    assert done.exit_code == 0, done.output
    assert f"--set classifier.model={name.lower()}" in done.output
    classifier = load_classifier(name.lower(), weights=out)
    assert classifier.card.crop.side_over_box_height == 1.2
    assert json.loads(out.with_suffix(".json").read_text())["training"]["imported_from"] == "them.h5"


def test_a_wrong_file_is_one_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [str(tmp_path / "gone.h5"), "--out", str(tmp_path / "net.safetensors")])
    assert isinstance(done.exception, ModelError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("side", ["0.1", "9"])
def test_a_crop_that_makes_no_sense_is_refused(tmp_path: Path, side: str) -> None:
    done = CliRunner().invoke(app, ["them.h5", "--out", "net.safetensors", "--crop-side", side])
    assert done.exit_code == 2
