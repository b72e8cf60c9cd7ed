import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from monitor.classifiers import load_classifier
from monitor.classifiers.model_card import read_card
from monitor.errors import ExperimentError
from monitor.lab.training.experiment import Experiment
from monitor.lab.training.product import HISTORY, finish
from monitor.lab.training.trainer import Trainer


def test_weights_and_card_are_what_the_product_loads(
    roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    plan = experiment(notes="Too small to be of use.")
    trainer = Trainer(plan, roots=roots, out=tmp_path, device="cpu", threads=1)
    trainer.run()
    path = finish(plan, trainer.progress, roots=roots, out=tmp_path)
    assert path == tmp_path / "vit.safetensors"

    card = read_card(path.with_suffix(".json"), weights=path)
    assert card.id == "tiny"
    assert card.input.size == trainer.progress.best_size
    assert card.training["images_seen"] == trainer.progress.best_images
    assert card.training["experiment"]["stages"][1] == {"size": 96, "images": 12, "batch": 4}
    assert card.training["experiment_sha256"] == plan.digest
    assert card.limits == "Too small to be of use."
    assert card.calibration.fitted_on == "pairs, split val"
    assert 0 <= card.metrics["val_auc_pairs"] <= 1

    classifier = load_classifier("vit", weights=path)
    logit, _ = classifier.network.build()(torch.zeros(1, 3, card.input.size, card.input.size))
    trained = trainer.averaged.network.eval()
    if trainer.progress.best_images == trainer.progress.images:
        expected = trained(torch.zeros(1, 3, card.input.size, card.input.size)).item()
        assert logit.item() == pytest.approx(expected, abs=0.02), "fp16 on disk"

    history = list(csv.DictReader(io.StringIO((tmp_path / HISTORY).read_text())))
    assert [float(row["images"]) for row in history] == [12, 24, 32]
    assert {"hours", "size", "auc_pairs", "auc_self_blended"} <= history[0].keys()


def test_finishing_again_gives_the_same_bytes(
    roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    trainer = Trainer(experiment(), roots=roots, out=tmp_path, device="cpu", threads=1)
    trainer.run()
    path = finish(trainer.experiment, trainer.progress, roots=roots, out=tmp_path)
    first = path.read_bytes(), path.with_suffix(".json").read_bytes()
    finish(trainer.experiment, trainer.progress, roots=roots, out=tmp_path)
    assert (path.read_bytes(), path.with_suffix(".json").read_bytes()) == first
    assert np.isfinite(json.loads(first[1])["calibration"]["scale"])
    assert [file.name for file in tmp_path.glob(".*")] == [".lock"]


def test_without_a_validation_there_is_nothing_to_ship(
    roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    trainer = Trainer(experiment(), roots=roots, out=tmp_path, device="cpu", threads=1)
    trainer.run(minutes=0.0)
    with pytest.raises(ExperimentError, match=r"never validated: train longer than validation\.every_images"):
        finish(trainer.experiment, trainer.progress, roots=roots, out=tmp_path)
