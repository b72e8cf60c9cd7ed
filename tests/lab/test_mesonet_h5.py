import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from monitor.classifiers import load_classifier
from monitor.errors import ModelError, OutputError
from monitor.lab.mesonet_h5 import import_mesonet, read_mesonet

pytest.importorskip("h5py", reason="needs: pip install 'deepfake-monitor[meso-h5]'")
from support import keras_mesonet as keras

NAMES = ["Meso4", "MesoInception4"]


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Coarse patterns (3, 256, 256, 3) in [0, 1] without any symmetry."""
    rng = np.random.default_rng(9)
    coarse = rng.uniform(size=(3, 16, 16, 3)).astype(np.float32)
    return coarse.repeat(16, axis=1).repeat(16, axis=2)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("first", [1, 7], ids=["alone", "after other models"])
def test_the_imported_network_agrees_with_keras(tmp_path: Path, pictures: np.ndarray, name: str, first: int) -> None:
    layers = keras.keras_layers(name, first=first)
    path = keras.write_keras(tmp_path / f"{name}_DF.h5", layers)
    card = import_mesonet(path, out=tmp_path / "net.safetensors", crop_side=1.1)
    classifier = load_classifier(name.lower(), weights=tmp_path / "net.safetensors")
    assert classifier.card == card
    batch = torch.from_numpy(pictures.transpose(0, 3, 1, 2).copy())  # in [0, 1]: what the card's mean and std give
    with torch.inference_mode():
        logit, evidence = classifier.network.build()(batch)
    expected = -keras.logit_of_real(layers, pictures)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(logit.numpy(), expected, atol=1e-4)
    assert evidence.shape == (3, 8, 8)


def test_the_card_describes_the_import(tmp_path: Path) -> None:
    path = keras.write_keras(tmp_path / "Meso4_DF.h5", keras.keras_layers("Meso4"))
    import_mesonet(path, out=tmp_path / "net.safetensors", crop_side=1.3)
    card = load_classifier("meso4", weights=tmp_path / "net.safetensors").card
    assert card.id == "meso4-imported-Meso4_DF"
    assert (card.input.size, card.input.mean, card.input.std) == (256, 0.0, 255.0)
    assert card.crop.side_over_box_height == 1.3
    assert card.metrics == {}
    assert "uncalibrated" in card.limits
    assert (card.calibration.scale, card.calibration.shift) == (1.0, 0.0)
    assert card.calibration.fitted_on.startswith("nothing")
    assert {found.name for found in tmp_path.iterdir()} == {"Meso4_DF.h5", "net.safetensors", "net.json"}
    assert json.loads((tmp_path / "net.json").read_text())["dtype"] == "float32"


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_model_gives_the_same_network_as_saved_weights(tmp_path: Path, name: str) -> None:
    layers = keras.keras_layers(name)
    one = read_mesonet(keras.write_keras(tmp_path / "weights.h5", layers))
    two = read_mesonet(keras.write_keras(tmp_path / "model.h5", layers, whole_model=True))
    assert one.name == two.name == name.lower()
    assert one.state.keys() == two.state.keys()
    assert all(torch.equal(one.state[key], two.state[key]) for key in one.state)


def test_the_first_layer_may_lack_its_number(tmp_path: Path) -> None:
    layers = keras.keras_layers("Meso4", first=0)
    expected = read_mesonet(keras.write_keras(tmp_path / "numbered.h5", layers)).state
    renamed = {name.removesuffix("_0"): parameters for name, parameters in layers.items()}
    found = read_mesonet(keras.write_keras(tmp_path / "bare.h5", renamed)).state
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def lose_a_convolution(layers) -> None:
    del layers["conv2d_2"]


def lose_a_norm(layers) -> None:
    del layers["batch_normalization_4"]


def lose_a_bias(layers) -> None:
    del layers["dense_2"]["bias"]


def lose_a_mean(layers) -> None:
    del layers["batch_normalization_1"]["moving_mean"]


def widen_a_kernel(layers) -> None:
    layers["conv2d_2"]["kernel"] = np.zeros((7, 7, 8, 8), np.float32)


def widen_the_input(layers) -> None:
    layers["dense_1"]["kernel"] = np.zeros((2048, 16), np.float32)


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lose_a_convolution, "holds no MesoNet: 3 convolutions, Meso4 has 4"),
        (lose_a_norm, "holds no Meso4.*: 3 layers of one kind instead of 4"),
        (lose_a_bias, r"do not fit Meso4.*logit\.bias"),
        (lose_a_mean, r"do not fit Meso4.*running_mean"),
        (widen_a_kernel, "do not fit Meso4.*size mismatch"),
        (widen_the_input, r"do not fit Meso4.*dense\.weight"),
    ],
)
def test_other_networks_are_refused(tmp_path: Path, harm, why: str) -> None:
    layers = keras.keras_layers("Meso4")
    harm(layers)
    path = keras.write_keras(tmp_path / "other.h5", layers)
    with pytest.raises(ModelError, match=why) as caught:
        import_mesonet(path, out=tmp_path / "net.safetensors", crop_side=1.0)
    assert "other.h5" in str(caught.value)
    assert [found.name for found in tmp_path.iterdir()] == ["other.h5"]


def test_a_file_that_is_not_h5_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.h5").write_bytes(b"not HDF5")
    for name in ("net.h5", "gone.h5"):
        with pytest.raises(ModelError, match=rf"{name} cannot be read as a Keras \.h5 file"):
            read_mesonet(tmp_path / name)


def test_an_unwritable_path_is_an_error(tmp_path: Path) -> None:
    path = keras.write_keras(tmp_path / "Meso4_DF.h5", keras.keras_layers("Meso4"))
    (tmp_path / "gone").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        import_mesonet(path, out=tmp_path / "gone" / "net.safetensors", crop_side=1.0)


def test_the_error_for_a_missing_h5py_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ModelError, match=r"pip install 'deepfake-monitor\[meso-h5\]'"):
        read_mesonet(tmp_path / "Meso4_DF.h5")
