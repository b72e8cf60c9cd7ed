"""A second classifier needs one module, its registration and its weights; a committee needs one card."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from support import linear_classifier
from support.footage import posed

import monitor.classifiers
from monitor.analysis import quality
from monitor.analysis.pipeline import Engines
from monitor.classifiers import committee, engines_dir, register
from monitor.classifiers.committee import load_committee
from monitor.classifiers.weights import export_weights
from monitor.errors import ModelCardError, UsageError
from monitor.results.report_content import ModelSummary
from monitor.settings import Settings
from monitor.types import TrackedFaces

RED, BIAS = 0.8, -0.3  # weight of red, and the constant


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of engines with the shipped classifier, a registered second one, and a committee of both."""
    for file in engines_dir().glob("inception_resnet_v1*"):
        (tmp_path / file.name).symlink_to(file)
    monkeypatch.setattr(monitor.classifiers, "_ARCHITECTURES", dict(monitor.classifiers._ARCHITECTURES))
    register("redness", module="support.linear_classifier")
    body = linear_classifier.body()
    body.load_state_dict(
        {"evidence.weight": torch.tensor([RED, 0.0, -RED]).view(1, 3, 1, 1), "evidence.bias": torch.tensor([BIAS])}
    )
    digest = export_weights(body.state_dict(), tmp_path / "redness.safetensors", dtype="float32")
    shipped = json.loads((tmp_path / "inception_resnet_v1.json").read_text())
    card = shipped | {
        "id": "redness-1", "architecture": linear_classifier.ARCHITECTURE, "weights_sha256": digest,
        "dtype": "float32", "demo_logits": None, "profiles": [],
        "crop": {"side_over_box_height": 1.3, "centre_below_box_centre_over_box_height": 0.0},
        "input": shipped["input"] | {"size": 96},
        "calibration": {"kind": "platt", "scale": 2.0, "shift": 0.5, "fitted_on": "nothing"},
    }  # fmt: skip
    (tmp_path / "redness.json").write_text(json.dumps(card))
    members = [
        {"model": "inception_resnet_v1", "weights_sha256": shipped["weights_sha256"], "weight": 0.75},
        {"model": "redness", "weights_sha256": digest, "weight": 0.5},
    ]
    both = {"id": "both-1", "members": members, "bias": 0.1, "fitted_on": "nothing", "limits": "a test"}
    (tmp_path / "both.json").write_text(json.dumps(both))
    for module in (monitor.classifiers, committee):
        monkeypatch.setattr(module, "engines_dir", lambda: tmp_path)
    return tmp_path


def judged(settings: Settings, model: str) -> tuple[Engines, dict[str, float], float]:
    """The engines, each classifier's log-odds of one face, and the fused ones."""
    chosen = settings.model_copy(update={"classifier": settings.classifier.model_copy(update={"model": model})})
    engines = Engines.load(chosen)
    pixels = posed((320, 240, 160))
    faces = engines.faces.detect(pixels)
    tracked = TrackedFaces(faces=faces, track_ids=np.array([1]))
    qualities = quality.measure(pixels, faces, chosen.quality)
    scores = engines.committee.fusion.fuse(
        [scorer.score(pixels, tracked, qualities, rows=[0]) for scorer in engines.scorers]
    )
    return engines, {part.classifier: float(part.log_odds[0]) for part in scores.parts}, float(scores.log_odds[0])


@pytest.mark.usefixtures("folder")
def test_a_registered_classifier_is_selected_by_name_and_calibrated(settings: Settings) -> None:
    engines, opinions, log_odds = judged(settings, "redness")
    assert (engines.classifier.card.id, engines.classifier.input_size) == ("redness-1", 96)
    assert opinions == {"redness-1": log_odds}
    assert log_odds == pytest.approx(2.0 * (RED * 0.1 + BIAS) + 0.5, abs=0.5)


@pytest.mark.usefixtures("folder")
def test_a_committee_fuses_classifiers_with_different_crops_and_sizes(settings: Settings) -> None:
    engines, opinions, log_odds = judged(settings, "both")
    assert engines.committee.id == "both-1"
    assert [scorer.classifier.input_size for scorer in engines.scorers] == [160, 96]
    alone = {name: judged(settings, name)[2] for name in ("inception_resnet_v1", "redness")}
    assert list(opinions.values()) == pytest.approx(list(alone.values()), abs=1e-4)
    expected = 0.75 * alone["inception_resnet_v1"] + 0.5 * alone["redness"] + 0.1
    assert log_odds == pytest.approx(expected, abs=1e-4)


@pytest.mark.usefixtures("folder")
def test_a_result_names_every_member_of_its_committee(settings: Settings) -> None:
    engines, *_ = judged(settings, "both")
    model = ModelSummary.of_committee(engines.committee).to_dict()
    assert (model["id"], model["calibration"]) == ("both-1", None)
    cards = [scorer.classifier.card for scorer in engines.scorers]
    assert [(one["id"], one["weights_sha256"], one["weight"]) for one in model["members"]] == [
        (cards[0].id, cards[0].weights_sha256, 0.75),
        (cards[1].id, cards[1].weights_sha256, 0.5),
    ]
    assert model["weights_sha256"] not in {card.weights_sha256 for card in cards}
    alone = ModelSummary.of_committee(load_committee("inception_resnet_v1"))
    assert (alone.id, alone.weights_sha256, alone.members) == (cards[0].id, cards[0].weights_sha256, ())


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"members": []}, "malformed at members"),
        ({"surprise": 1}, "malformed at surprise"),
    ],
)
def test_a_malformed_card_is_named(folder: Path, change: dict[str, object], complaint: str) -> None:
    card = json.loads((folder / "both.json").read_text())
    (folder / "both.json").write_text(json.dumps(card | change))
    with pytest.raises(ModelCardError, match=complaint):
        load_committee("both")


def test_a_card_of_other_weights_is_refused(folder: Path) -> None:
    card = json.loads((folder / "both.json").read_text())
    card["members"][1]["weights_sha256"] = "0" * 64
    (folder / "both.json").write_text(json.dumps(card))
    with pytest.raises(ModelCardError, match="fitted with other weights of redness"):
        load_committee("both")


def test_a_committee_takes_no_weights_from_the_settings(folder: Path) -> None:
    with pytest.raises(UsageError, match="both is a committee"):
        load_committee("both", weights=folder / "redness.safetensors")
