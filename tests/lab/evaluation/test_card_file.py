"""Changes of a model card beside its weights."""

import json
import shutil
from pathlib import Path

import pytest

from monitor.classifiers import engines_dir
from monitor.errors import ModelCardError
from monitor.lab.evaluation.card_file import change_card


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    own = tmp_path / "own.safetensors"
    for suffix in (".safetensors", ".json"):
        shutil.copyfile(engines_dir() / f"meso4{suffix}", own.with_suffix(suffix))
    return own


def test_the_changed_field_is_written_and_the_others_stay(weights: Path) -> None:
    before = json.loads(weights.with_suffix(".json").read_text())
    path = change_card(weights, lambda card: card.update(limits="few"))
    assert json.loads(path.read_text()) == before | {"limits": "few"}


def test_an_invalid_change_leaves_the_card_as_it_was(weights: Path) -> None:
    before = weights.with_suffix(".json").read_bytes()
    with pytest.raises(ValueError, match="limits"):
        change_card(weights, lambda card: card.update(limits=3))
    assert weights.with_suffix(".json").read_bytes() == before


def test_a_card_of_other_weights_is_refused(weights: Path) -> None:
    weights.write_bytes(b"other")
    with pytest.raises(ModelCardError, match="other weights"):
        change_card(weights, lambda card: card.update(limits="few"))
