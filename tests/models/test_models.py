from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import monitor.models
from monitor.errors import ModelCardError, UsageError, WeightsMissingError
from monitor.models import available_models, engines_dir, load_detector


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A copy of the shipped weights and their card."""
    for suffix in (".safetensors", ".json"):
        shutil.copy(engines_dir() / f"inception_resnet_v1{suffix}", tmp_path / f"net{suffix}")
    return tmp_path / "net.safetensors"


@pytest.mark.parametrize("name", available_models())
def test_every_model_loads_by_its_name(name: str) -> None:
    detector = load_detector(name)
    size = detector.card.input.size
    assert detector.input_size == size
    assert detector.network.name == f"{name}-{size}"
    assert detector.network.input_shape == (None, 3, size, size)
    assert detector.network.outputs == ("logit", "evidence_map")


def test_another_size_is_another_network() -> None:
    small, large = load_detector(), load_detector(input_size=160)
    assert large.network.input_shape == (None, 3, 160, 160)
    assert large.input_size == 160
    assert small.network.digest != large.network.digest
    assert small.network.digest == load_detector().network.digest


def test_other_weights_are_another_network(pair: Path) -> None:
    same = load_detector(weights=pair)
    assert same.network.digest == load_detector().network.digest  # the place of the file does not matter
    pair.write_bytes(pair.read_bytes()[:-1] + b"\x00")
    with pytest.raises(ModelCardError, match="describes other weights"):
        load_detector(weights=pair)


def test_missing_weights_say_which_and_where(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissingError, match="nothing is ever scored with random") as caught:
        load_detector(weights=tmp_path / "gone.safetensors")
    assert str(tmp_path / "gone.safetensors") in str(caught.value)
    assert "gone.json" in str(caught.value)


def test_missing_default_weights_are_missing_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package").mkdir()
    monkeypatch.setattr(monitor.models, "_PACKAGE", tmp_path / "package")
    assert engines_dir() == tmp_path / "engines"
    with pytest.raises(WeightsMissingError, match=r"inception_resnet_v1\.safetensors"):
        load_detector()


def test_a_wheel_carries_the_engines_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package" / "engines").mkdir(parents=True)
    monkeypatch.setattr(monitor.models, "_PACKAGE", tmp_path / "package")
    assert engines_dir() == tmp_path / "package" / "engines"


def test_an_unknown_model_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="unknown model 'xception9': this program knows inception_resnet_v1"):
        load_detector("xception9")


@pytest.mark.parametrize("size", [1, 74])
def test_an_input_that_is_too_small_is_refused(size: int) -> None:
    with pytest.raises(UsageError, match="75 pixels or more"):
        load_detector(input_size=size)


def test_a_card_of_another_architecture_is_refused(pair: Path) -> None:
    card = pair.with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | {"architecture": "Xception"}))
    with pytest.raises(ModelCardError, match="holds 'Xception'"):
        load_detector(weights=pair)


def test_loading_does_not_import_torch() -> None:
    program = "import sys, monitor.models as m; m.load_detector(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
