import shutil
from collections.abc import Callable
from pathlib import Path

from support.face_shards import pair_rows, write_faces

from monitor.analysis.pipeline import Engines
from monitor.classifiers import engines_dir
from monitor.classifiers.model_card import read_card
from monitor.runtime import Heartbeat
from monitor.settings import load_settings


def test_the_card_gets_curves_and_what_a_heartbeat_expects(cli: Callable, tmp_path: Path) -> None:
    weights = tmp_path / "own.safetensors"
    for suffix in (".safetensors", ".json"):
        shutil.copyfile(engines_dir() / f"inception_resnet_v1{suffix}", weights.with_suffix(suffix))
    old = read_card(weights.with_suffix(".json"), weights=weights)
    faces = write_faces(tmp_path / "faces", pair_rows(12, split="test"))
    said = cli("lab", "card", faces, "--weights", weights, "--backend", "torch")  # exports nothing
    assert said.code == 0, said.err
    assert "newsroom" in said.out
    card = read_card(weights.with_suffix(".json"), weights=weights)
    assert card.calibration == old.calibration
    assert card.model_extra is not None
    assert card.model_extra["curves"]["crops"] == 24
    assert card.model_extra["curves"]["material"] == "faces, split test"
    chosen = {"classifier.weights": weights, "classifier.input_size": 128, "classifier.backend": "torch"}
    engines = Engines.load(load_settings(overrides=chosen))
    assert "when their card was written" in Heartbeat(lambda: engines).beat().why


def test_material_that_is_not_prepared_is_refused(cli: Callable, tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,label\na.mp4,real\n")
    (tmp_path / "a.mp4").touch()
    weights = engines_dir() / "inception_resnet_v1.safetensors"
    said = cli("lab", "card", tmp_path / "manifest.csv", "--weights", weights, "--split", "all")
    assert said.code == 2
    assert "lab prepare" in said.err
