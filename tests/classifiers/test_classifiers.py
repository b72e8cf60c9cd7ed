import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support.random_weights import SIZES, coarse_crops

import monitor.classifiers
from monitor.classifiers import (
    DEFAULT_MODEL,
    architecture,
    available_models,
    engines_dir,
    load_classifier,
    model_of,
)
from monitor.classifiers.weights import export_weights
from monitor.errors import ModelCardError, UsageError, WeightsMissingError


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A copy of the shipped weights and their card."""
    for suffix in (".safetensors", ".json"):
        shutil.copy(engines_dir() / f"inception_resnet_v1{suffix}", tmp_path / f"net{suffix}")
    return tmp_path / "net.safetensors"


@pytest.mark.parametrize("name", available_models())
def test_every_model_loads_by_its_name(pairs: dict[str, Path], name: str) -> None:
    classifier = load_classifier(name, weights=pairs[name])
    size = classifier.card.input.size
    assert classifier.input_size == size == SIZES[name]
    assert classifier.network.name == f"{name}-{size}"
    assert classifier.network.input_shape == (None, 3, size, size)
    assert classifier.network.outputs == ("logit", "evidence_map")
    net = pickle.loads(pickle.dumps(classifier.network)).build()  # noqa: S301 - a child process may build
    assert not any(module.training for module in net.modules())
    with torch.inference_mode():
        logit, evidence = net(torch.zeros(3, 3, size, size))
    assert logit.shape == (3,)
    assert evidence.shape[0] == 3
    assert evidence.ndim == 3


@pytest.mark.parametrize("name", available_models())
def test_every_architecture_trains_and_is_restored_from_its_file(name: str, tmp_path: Path) -> None:
    known = architecture(name)
    body, batch = known.body(dropout=0.5), coarse_crops(SIZES[name])
    assert body.training
    before = {key: value.clone() for key, value in body.state_dict().items()}
    optimizer = torch.optim.SGD(body.parameters(), lr=1e-3)
    logits = body(batch)
    assert logits.shape == (2, 1)
    torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], torch.tensor([0.0, 1.0])).backward()
    optimizer.step()
    moved = [key for key, value in body.named_parameters() if torch.equal(value, before[key])]
    assert len(moved) < len(before) / 4, f"no gradient reaches {moved}"
    export_weights(body.state_dict(), tmp_path / "net.safetensors", dtype="float32")
    with torch.inference_mode():
        expected = known.with_evidence(body, input_size=SIZES[name])(batch)
        found = known.build(tmp_path / "net.safetensors", input_size=SIZES[name])(batch)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", available_models())
def test_dropout_is_off_by_default(name: str) -> None:
    for dropout in (0.0, 0.3):
        body = architecture(name).body(dropout=dropout)
        found = {m.p for m in body.modules() if isinstance(m, torch.nn.Dropout)} | {getattr(body, "drop_rate", 0.0)}
        assert max(found) == dropout


@pytest.mark.parametrize("name", available_models())
def test_shipped_weights_load_and_missing_ones_are_an_error(name: str) -> None:
    if (engines_dir() / f"{name}.safetensors").is_file():
        assert load_classifier(name).card.limits
    else:
        with pytest.raises(WeightsMissingError, match=rf"{name}\.safetensors are missing"):
            load_classifier(name)


def test_only_shipped_models_have_weights_files() -> None:
    assert not (engines_dir() / "xception.safetensors").exists()


@pytest.mark.parametrize("name", available_models())
def test_weights_of_another_architecture_are_refused(pairs: dict[str, Path], name: str) -> None:
    other = "xception" if name == "meso4" else "meso4"
    with pytest.raises(ModelCardError, match=f"but {other} is "):
        load_classifier(other, weights=pairs[name])
    with pytest.raises(ModelCardError, match="do not fit"):
        architecture(other).build(pairs[name], input_size=SIZES[other])


def test_the_shipped_weights_load() -> None:
    classifier = load_classifier()
    assert classifier.network.name == f"{DEFAULT_MODEL}-{classifier.card.input.size}"
    with torch.inference_mode():
        logit, _ = classifier.network.build()(torch.zeros(1, 3, classifier.input_size, classifier.input_size))
    assert torch.isfinite(logit).all()


def test_another_input_size_has_another_digest() -> None:
    small, large = load_classifier(), load_classifier(input_size=224)
    assert large.network.input_shape == (None, 3, 224, 224)
    assert large.input_size == 224
    assert small.network.digest != large.network.digest
    assert small.network.digest == load_classifier().network.digest


def test_other_weights_have_another_digest(pair: Path) -> None:
    same = load_classifier(weights=pair)
    assert (
        same.network.digest == load_classifier("inception_resnet_v1").network.digest
    )  # the path of the file does not matter
    pair.write_bytes(pair.read_bytes()[:-1] + b"\x00")
    with pytest.raises(ModelCardError, match="describes other weights"):
        load_classifier(weights=pair)


def test_weights_without_a_name_are_of_the_model_on_their_card(pair: Path) -> None:
    assert model_of(pair) == "inception_resnet_v1" != DEFAULT_MODEL
    assert load_classifier(weights=pair).network.name == "inception_resnet_v1-160"
    card = pair.with_suffix(".json")
    card.write_text(card.read_text().replace("InceptionResnetV1", "a network of tomorrow"))
    with pytest.raises(ModelCardError, match="which this program does not know: it knows inception_resnet_v1"):
        load_classifier(weights=pair)


def test_the_error_for_missing_weights_names_the_files_and_the_folder(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissingError, match="no face is ever scored with random") as caught:
        load_classifier(weights=tmp_path / "gone.safetensors")
    assert str(tmp_path / "gone.safetensors") in str(caught.value)
    assert "gone.json" in str(caught.value)


def test_missing_default_weights_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package").mkdir()
    monkeypatch.setattr(monitor.classifiers, "_PACKAGE", tmp_path / "package")
    assert engines_dir() == tmp_path / "engines"
    with pytest.raises(WeightsMissingError, match=rf"{DEFAULT_MODEL}\.safetensors"):
        load_classifier()


def test_a_wheel_contains_the_engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package" / "engines").mkdir(parents=True)
    monkeypatch.setattr(monitor.classifiers, "_PACKAGE", tmp_path / "package")
    assert engines_dir() == tmp_path / "package" / "engines"


def test_an_unknown_model_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="unknown model 'xception9': this program knows inception_resnet_v1"):
        load_classifier("xception9")


@pytest.mark.parametrize(
    ("name", "sizes", "takes"),
    [
        ("inception_resnet_v1", (1, 74, 1025), "75 to 1024 pixels"),
        ("xception", (74, 1025), "75 to 1024 pixels"),
        ("vit", (64, 100, 1040), "80 to 1024 pixels in steps of 16"),
        ("meso4", (224, 255, 257), "256 pixels only"),
        ("mesoinception4", (224, 512), "256 pixels only"),
    ],
)
def test_an_unsupported_input_size_is_refused(
    pairs: dict[str, Path], name: str, sizes: tuple[int, ...], takes: str
) -> None:
    for size in sizes:
        with pytest.raises(UsageError, match=f"{name} takes crops of {takes}, {size} were asked for"):
            load_classifier(name, weights=pairs[name], input_size=size)


def test_the_smallest_and_odd_input_sizes_run(pairs: dict[str, Path]) -> None:
    for name, size in (("inception_resnet_v1", 75), ("xception", 75), ("xception", 101), ("vit", 80)):
        net = load_classifier(name, weights=pairs[name], input_size=size).network.build()
        with torch.inference_mode():
            assert torch.isfinite(net(torch.zeros(1, 3, size, size))[0]).all()


def test_a_card_of_another_architecture_is_refused(pair: Path) -> None:
    card = pair.with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | {"architecture": "Xception"}))
    with pytest.raises(ModelCardError, match="holds 'Xception'"):
        load_classifier(weights=pair)


PROGRAM = """
import sys
import monitor.classifiers as m
for name in m.available_models():
    m.architecture(name)
before = {"torch", "timm", "pydantic"} & set(sys.modules)
m.load_classifier()
sys.exit(" ".join(before | ({"torch", "timm"} & set(sys.modules))))
"""


def test_the_registry_imports_neither_torch_nor_pydantic_and_loading_imports_no_torch() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


TRAINING = """
import sys
for name in ("pydantic", "av", "onnxruntime", "typer", "platformdirs", "h5py"):
    sys.modules[name] = None
import monitor.classifiers as m
for name in m.available_models():
    m.architecture(name).with_evidence(m.architecture(name).body(), input_size=256)
"""


def test_training_needs_only_torch_and_timm() -> None:
    done = subprocess.run([sys.executable, "-c", TRAINING], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
