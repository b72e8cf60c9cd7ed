import json
from pathlib import Path
from typing import Any

import pytest

from monitor.classifiers import engines_dir
from monitor.classifiers.model_card import ModelCard, read_card
from monitor.errors import ModelCardError
from monitor.types import Calibration, ScoreProcess

SHIPPED = engines_dir() / "inception_resnet_v1.json"


@pytest.fixture
def facts() -> dict[str, Any]:
    return json.loads(SHIPPED.read_text(encoding="utf-8"))


def write(folder: Path, facts: object) -> tuple[Path, Path]:
    card, weights = folder / "net.json", folder / "net.safetensors"
    card.write_text(json.dumps(facts))
    weights.write_bytes(b"weights")
    return card, weights


def test_the_shipped_card_describes_the_shipped_weights(facts: dict[str, Any]) -> None:
    card = read_card(SHIPPED, weights=SHIPPED.with_suffix(".safetensors"))
    assert card.id == facts["id"]
    assert card.input.size == facts["input"]["size"]
    assert (card.input.mean, card.input.std) == (127.5, 128.0)
    assert card.crop.side_over_box_height == 0.85
    assert card.crop.centre_below_box_centre_over_box_height == 0.06
    assert isinstance(card.calibration, Calibration)
    assert card.calibration.scale == facts["calibration"]["scale"]
    assert card.calibration.fitted_on == facts["calibration"]["fitted_on"]
    assert card.metrics == facts["metrics"]
    assert card.licence == facts["licence"]


def test_a_card_round_trips_and_keeps_unknown_fields(facts: dict[str, Any]) -> None:
    facts["fairness"] = {"skin_tone": [0.1, 0.2]}
    assert ModelCard.model_validate(facts).model_dump(mode="json", exclude_unset=True) == facts


def test_another_size_has_its_own_calibration_or_is_refused(facts: dict[str, Any]) -> None:
    usual = facts["input"]["size"]
    profile = {"size": 224, "calibration": {"kind": "platt", "scale": 0.5, "shift": -1.0, "fitted_on": "others"}}
    card = ModelCard.model_validate(facts | {"profiles": [profile]})
    assert card.sizes == (usual, 224)
    assert card.at(usual) is card
    larger = card.at(224)
    assert (larger.input.size, larger.input.mean) == (224, card.input.mean)
    assert (larger.calibration.scale, larger.calibration.shift) == (0.5, -1.0)
    assert larger.metrics == {}, "those of the usual size say nothing here"
    assert larger.weights_sha256 == card.weights_sha256
    with pytest.raises(ModelCardError, match=f"calibrated for {usual} or 224 pixels, not for 176"):
        card.at(176)


def test_a_card_may_hold_a_score_process(facts: dict[str, Any]) -> None:
    assert ModelCard.model_validate(facts).score_process == ScoreProcess()
    card = ModelCard.model_validate(facts | {"score_process": {"correlation_time": 0.5}})
    assert card.score_process == ScoreProcess(correlation_time=0.5)


@pytest.mark.parametrize(
    ("block", "why"),
    [
        ({"correlation_tme": 0.5}, "score_process: .*unknown field correlation_tme"),
        ({"max_sample_logit": "much"}, "score_process.max_sample_logit"),
        ({"min_effective_samples": 2.0}, "score_process: .*no face is ever judged"),
    ],
)
def test_an_invalid_score_process_is_an_error(
    tmp_path: Path, facts: dict[str, Any], block: dict[str, object], why: str
) -> None:
    card, weights = write(tmp_path, facts | {"score_process": block})
    with pytest.raises(ModelCardError, match=why):
        read_card(card, weights=weights)


def test_a_card_is_frozen(facts: dict[str, Any]) -> None:
    card = ModelCard.model_validate(facts)
    with pytest.raises(ValueError, match="frozen"):
        card.id = "another"


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("id", ""),
        ("weights_sha256", "abc"),
        ("output", "two logits"),
        ("input.size", 12),
        ("input.std", 0),
        ("input.channels", "BGR"),
        ("input.unknown", 1),
        ("crop.side_over_box_height", -1),
        ("calibration.scale", -0.5),
        ("calibration.shift", "NaN"),
        ("calibration.kind", "isotonic"),
    ],
)
def test_an_invalid_value_is_named(tmp_path: Path, facts: dict[str, Any], where: str, value: object) -> None:
    *groups, name = where.split(".")
    branch = facts
    for group in groups:
        branch = branch[group]
    branch[name] = value
    card, weights = write(tmp_path, facts)
    with pytest.raises(ModelCardError, match=rf"net\.json is malformed at {where.split('.')[0]}"):
        read_card(card, weights=weights)


def test_a_missing_field_is_named(tmp_path: Path, facts: dict[str, Any]) -> None:
    del facts["crop"]
    card, weights = write(tmp_path, facts)
    with pytest.raises(ModelCardError, match="malformed at crop: is missing"):
        read_card(card, weights=weights)


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_file_that_is_not_a_card_is_refused(tmp_path: Path, text: str) -> None:
    card, weights = write(tmp_path, {})
    card.write_text(text)
    with pytest.raises(ModelCardError, match=r"net\.json is malformed"):
        read_card(card, weights=weights)


def test_weights_with_another_hash_are_refused(tmp_path: Path, facts: dict[str, Any]) -> None:
    card, weights = write(tmp_path, facts)
    with pytest.raises(ModelCardError, match="describes other weights"):
        read_card(card, weights=weights)


def test_a_missing_card_is_an_error(tmp_path: Path, facts: dict[str, Any]) -> None:
    card, weights = write(tmp_path, facts)
    card.unlink()
    with pytest.raises(ModelCardError, match=r"net\.json is missing"):
        read_card(card, weights=weights)


def test_an_unreadable_card_is_an_error(tmp_path: Path, facts: dict[str, Any]) -> None:
    card, weights = write(tmp_path, facts)
    card.unlink()
    card.mkdir()
    with pytest.raises(ModelCardError, match=r"net\.json cannot be read"):
        read_card(card, weights=weights)
