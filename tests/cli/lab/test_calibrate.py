import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.face_shards import face, pair_rows, write_faces
from support.outcomes import damage

from monitor.analysis.pipeline import Engines
from monitor.classifiers import engines_dir
from monitor.classifiers.model_card import read_card
from monitor.errors import ModelCardError
from monitor.settings import Settings


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    for suffix in (".safetensors", ".json"):
        shutil.copyfile(engines_dir() / f"inception_resnet_v1{suffix}", tmp_path / f"own{suffix}")
    return tmp_path / "own.safetensors"


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return write_faces(tmp_path / "faces", pair_rows(12, split="val"))


class TestCard:
    def test_a_copy_gets_a_new_card_and_the_old_pair_stays(self, cli: Callable, weights: Path, shards: Path) -> None:
        untouched = weights.with_suffix(".json").read_bytes()
        said = cli("lab", "calibrate", shards, "--weights", weights, "--out", "new")
        assert said.code == 0, said.err
        assert "12 fake and 12 real faces" in said.out
        assert "out of fold" in said.out
        copy = weights.parent / "new" / "own.safetensors"
        card, old = (
            read_card(copy.with_suffix(".json"), weights=copy),
            read_card(weights.with_suffix(".json"), weights=weights),
        )
        assert weights.with_suffix(".json").read_bytes() == untouched
        assert card.id == f"{old.id}-calibrated"
        assert card.calibration.fitted_on == "faces, split val, 24 faces"
        assert card.calibration.scale != old.calibration.scale
        assert old.model_extra is not None
        assert {"curves", "preset_clips"} <= old.model_extra.keys(), "of the shipped card"
        assert not {"curves", "preset_clips"} & (card.model_extra or {}).keys(), "they are of the old calibration"
        assert set(card.metrics["calibration"]["after"]) == {"ece", "brier", "nll", "accuracy"}
        assert {name: card.metrics[name] for name in old.metrics.keys() - {"calibration"}} == {
            name: value for name, value in old.metrics.items() if name != "calibration"
        }
        again = cli("lab", "calibrate", shards, "--weights", weights, "--out", "new")
        assert again.code == 2
        assert "there already" in again.err
        assert copy.is_file()

    def test_a_damaged_crop_is_named_and_counted(self, cli: Callable, weights: Path, shards: Path) -> None:
        damage(shards / "val-00.tar")
        said = cli("lab", "calibrate", shards, "--weights", weights, "--out", "new")
        assert said.code == 0, said.err
        assert "12 fake and 11 real faces, 1 that cannot be read left out" in said.out.replace("\n", " ")
        assert "val0r" in said.err
        copy = weights.parent / "new" / "own.safetensors"
        card = read_card(copy.with_suffix(".json"), weights=copy)
        assert card.calibration.fitted_on == "faces, split val, 23 faces (1 unreadable left out)"

    def test_in_place_replaces_the_card_alone(self, cli: Callable, weights: Path, shards: Path) -> None:
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        before = read_card(weights.with_suffix(".json"), weights=weights).id
        said = cli("lab", "calibrate", shards, "--weights", weights, "--in-place")
        assert said.code == 0, said.err
        card = read_card(weights.with_suffix(".json"), weights=weights)
        assert card.calibration.fitted_on.startswith("faces, split val")
        assert card.id == before
        assert hashlib.sha256(weights.read_bytes()).hexdigest() == digest

    def test_another_size_becomes_a_profile_that_the_settings_can_ask_for(
        self, cli: Callable, weights: Path, shards: Path
    ) -> None:
        before = read_card(weights.with_suffix(".json"), weights=weights)
        torch = ("--backend", "torch")  # exports nothing
        for size in ("192", "112", "192"):
            said = cli("lab", "calibrate", shards, "--weights", weights, "--in-place", "--size", size, *torch)
            assert said.code == 0, said.err
        card = read_card(weights.with_suffix(".json"), weights=weights)
        assert card.sizes == (before.input.size, *sorted({*before.sizes[1:], 112, 192}))
        assert card.calibration == before.calibration
        assert card.metrics == before.metrics
        assert set(card.at(192).metrics["calibration"]) == {"before", "after"}
        settings = Settings(classifier={"weights": weights, "input_size": 192, "backend": "torch"})
        engines = Engines.load(settings)
        assert engines.classifier.network.input_shape == (None, 3, 192, 192)
        assert engines.classifier.card.calibration == card.at(192).calibration
        with pytest.raises(ModelCardError, match="not for 176: choose one of these"):
            Engines.load(Settings(classifier={"weights": weights, "input_size": 176}))

    def test_where_to_must_be_said(self, cli: Callable, weights: Path, shards: Path) -> None:
        for flags in ((), ("--in-place", "--out", "new")):
            said = cli("lab", "calibrate", shards, "--weights", weights, *flags)
            assert said.code == 2
            assert "--in-place" in said.err

    def test_one_class_alone_is_one_sentence(self, cli: Callable, weights: Path, tmp_path: Path) -> None:
        rows = [row for row in pair_rows(4, split="val") if row["label"] == "0"]
        faces = write_faces(tmp_path / "reals", rows)
        said = cli("lab", "calibrate", faces, "--weights", weights, "--out", "new")
        assert said.code == 3
        assert "calibration needs both" in said.err
        assert not (tmp_path / "new").exists()


def test_feedback_calibrates_too(cli: Callable, weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "flags"
    folder.mkdir()
    lines = ["path,label,x1,y1,x2,y2"]
    for number in range(8):
        canvas = np.full((400, 400, 3), 120, np.uint8)
        canvas[88:312, 88:312] = face(number, fake=number % 2 == 1)
        cv2.imwrite(str(folder / f"{number}.png"), canvas[..., ::-1])
        lines.append(f"{number}.png,{'fake' if number % 2 else 'real'},100,90,300,320")
    cv2.imwrite(str(folder / "empty.png"), np.zeros((200, 200, 3), np.uint8))
    lines += ["empty.png,real,,,,", "0.png,unsure,1,1,9,9"]
    (folder / "feedback.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    said = cli("lab", "calibrate", folder, "--weights", weights, "--out", "new")
    assert said.code == 0, said.err
    assert "1 unsure answers left out" in said.out
    assert "4 fake and" in said.out
    assert "1 without a usable face left out" in said.out
