from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.random_weights import written

from monitor.classifiers import load_classifier
from monitor.classifiers.architectures.mask_head import build_with_mask
from monitor.classifiers.model_card import read_card
from monitor.errors import ExperimentError
from monitor.lab.training.experiment import Data, Experiment, Stage, ValidationSettings
from monitor.lab.training.product import HISTORY, finish
from monitor.lab.training.trainer import Trainer
from monitor.lab.training.validation import MASK_ENERGY


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


def test_a_frozen_classifier_keeps_its_weights_and_its_card(
    roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    init = written("inception_resnet_v1", tmp_path, dtype="float16")
    data = (Data("pairs", pseudo_fakes=1.0), Data("reals", pseudo_fakes=1.0))
    plan = experiment(
        name="head",
        model="inception_resnet_v1",
        init=str(init),
        frozen=True,
        mask_head=1.0,
        data=data,
        stages=(Stage(75, 16, 4),),
        validation=ValidationSettings(every_images=8, sets=("pairs",)),
    )
    out = tmp_path / "out"
    trainer = Trainer(plan, roots=roots, out=out, device="cpu", threads=1)
    trainer.run()
    assert [set(row) for row in trainer.progress.history] == [{"images", "hours", "size", MASK_ENERGY}] * 2
    path = finish(plan, trainer.progress, roots=roots, out=out)

    before, after = load_file(init), load_file(path)
    assert {name for name in after if name not in before} == {name for name in after if name.startswith("mask_head.")}
    for name, value in before.items():
        assert value.dtype == after[name].dtype
        assert torch.equal(value, after[name]), name
    old = json.loads(init.with_suffix(".json").read_text(encoding="utf-8"))
    old.pop("mask_head", None)
    card = read_card(path.with_suffix(".json"), weights=path)
    new = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    best = max(row[MASK_ENERGY] for row in trainer.progress.history)
    assert new.pop("mask_head")["metrics"] == {"val_mask_energy_self_blended": pytest.approx(best, abs=1e-4)}
    assert new == old | {"weights_sha256": card.weights_sha256}
    assert build_with_mask(path, input_size=75)(torch.zeros(1, 3, 75, 75))[2].shape == (1, 9, 9)


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
