"""What a card shows of outcomes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from support.outcomes import outcome

from monitor.classifiers import engines_dir
from monitor.classifiers.model_card import read_card
from monitor.errors import DatasetError, ModelCardError
from monitor.lab.evaluation.curves import BINS, POINTS, curves, write_curves
from monitor.lab.evaluation.outcomes import Outcome
from monitor.settings import PRESETS, Preset

LOGITS = {size: {"genuine": -1.0, "blended": 2.0} for size in (128, 160, 224)}


def made(count: int = 400) -> list[Outcome]:
    """Scores that mean something: fakes around 0.7, genuine ones around 0.3."""
    random = np.random.default_rng(5)
    labels = random.integers(0, 2, count)
    probabilities = np.clip(random.normal(0.3 + 0.4 * labels, 0.2), 0.001, 0.999)
    return [
        outcome(f"{row}", label=int(label), probability=float(probability), group=f"{row // 2}")
        for row, (label, probability) in enumerate(zip(labels, probabilities, strict=True))
    ]


def test_the_curve_is_compact_and_its_area_is_the_auc() -> None:
    outcomes = made()
    points = curves(outcomes, material="made")["roc"]
    assert len(points) <= POINTS
    assert (points[0]["false_alarms"], points[0]["found"], points[-1]["found"]) == (0, 0, 1)
    alarms, found = (np.array([point[name] for point in points]) for name in ("false_alarms", "found"))
    assert (np.diff(alarms) >= 0).all()
    area = ((found[1:] + found[:-1]) / 2 * np.diff(alarms)).sum()
    labels = np.array([one.label for one in outcomes])
    scores = np.array([one.probability for one in outcomes])
    assert area == pytest.approx(roc_auc_score(labels, scores), abs=0.01)


def test_every_scored_face_is_in_a_bin() -> None:
    outcomes = [*made(), outcome("none", probability=None), outcome("lost", failure="damaged")]
    facts = curves(outcomes, material="made")
    assert facts["crops"] == 400
    assert facts["groups"] == 200
    assert sum(one["count"] for one in facts["reliability"]) == 400
    assert len(facts["scores"]["real"]) == BINS
    assert sum(facts["scores"]["real"]) == sum(not one.label for one in outcomes[:400])
    assert sum(facts["scores"]["fake"]) == sum(one.label for one in outcomes[:400])


def test_what_a_preset_costs_is_counted() -> None:
    outcomes = made()
    presets = curves(outcomes, material="made")["presets"]
    assert set(presets) == set(Preset)
    for preset, found in presets.items():
        at = PRESETS[Preset(preset)]
        reals = [one for one in outcomes if not one.label and one.probability is not None]
        accused = [one for one in reals if (one.probability or 0) >= at["suspicious_at"]]
        assert found["real_accused"]["value"] == pytest.approx(len(accused) / len(reals), abs=1e-4)
        low, high = found["fakes_found"]["ci95"]
        assert low < found["fakes_found"]["value"] < high
    costs = [presets[preset]["real_accused"]["value"] for preset in Preset]
    assert costs == sorted(costs, reverse=True), "newsroom, balanced, wall"


def test_one_class_alone_makes_no_curve() -> None:
    with pytest.raises(DatasetError, match="real and fake"):
        curves([outcome("a", probability=0.2), outcome("b", probability=0.4)], material="made")


def test_the_card_gets_them_and_nothing_else_is_changed(tmp_path: Path) -> None:
    weights = tmp_path / "own.safetensors"
    for suffix in (".safetensors", ".json"):
        shutil.copyfile(engines_dir() / f"inception_resnet_v1{suffix}", weights.with_suffix(suffix))
    before = json.loads(weights.with_suffix(".json").read_bytes())
    path = write_curves(weights, curves(made(), material="made"), demo_logits=LOGITS)
    after = json.loads(path.read_bytes())
    assert after["curves"]["material"] == "made"
    untouched = before.keys() - {"curves", "demo_logits", "profiles"}
    assert {name: after[name] for name in untouched} == {name: before[name] for name in untouched}
    card = read_card(path, weights=weights)
    for size in card.sizes:
        logits = card.at(size).demo_logits
        assert logits is not None
        assert logits.model_dump() == LOGITS[size]


def test_a_card_of_other_weights_stays(tmp_path: Path) -> None:
    weights = tmp_path / "own.safetensors"
    shutil.copyfile(engines_dir() / "inception_resnet_v1.json", weights.with_suffix(".json"))
    weights.write_bytes(b"other")
    before = weights.with_suffix(".json").read_bytes()
    with pytest.raises(ModelCardError):
        write_curves(weights, {}, demo_logits=LOGITS)
    assert weights.with_suffix(".json").read_bytes() == before
