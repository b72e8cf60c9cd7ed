"""Converts the MesoNet authors' own weights (``Meso4_DF.h5``, ``MesoInception_DF.h5``, Keras 2).

Keras stores a group per layer, ``<layer>/.../kernel:0``, numbered in creation order: ``conv2d_1``, ``conv2d_2``, ...
Differences to our networks: kernels are (height, width, in, out); the last map is flattened channels last; the
positive class is "real", so the last layer's sign is inverted. Input: RGB in [0, 1], 256 px.
"""

import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from monitor.classifiers.architectures.meso import MESO4, MESOINCEPTION4
from monitor.classifiers.architectures.mesonet import INPUT_SIZE, MesoNet
from monitor.classifiers.model_card import CropPolicy, InputFormat, ModelCard, PlattCalibration
from monitor.classifiers.weights import export_weights, load_state
from monitor.errors import ModelCardError, ModelError
from monitor.system.files import write_whole

Layers = list[dict[str, NDArray[Any]]]

_CONVOLUTIONS = {4: MESO4, 16: MESOINCEPTION4}  # number of convolutions -> architecture
_LIMITS = (
    "Imported from the authors' file, uncalibrated: the probability is the network's own, and this program has not "
    "measured it. Trained on faces of other face-swap and reenactment videos of 2018; the file does not record the "
    "crop of the training faces, so the crop above is the importer's choice. Measure it before drawing conclusions."
)


@dataclass(frozen=True, slots=True)
class KerasMesoNet:
    """The content of a Keras file: one of the two architectures and its ``body().state_dict()``, fp32."""

    architecture: str  # the name on model cards
    name: str  # "meso4", "mesoinception4"
    state: dict[str, torch.Tensor]


def read_mesonet(path: Path) -> KerasMesoNet:
    """Read the network from a Keras 2 file; "positive = fake" in the result, as everywhere in this program.

    Raises:
        ModelError: h5py is not installed, or the file is not a Keras file of Meso4 or MesoInception4.
    """
    layers = _layers(path)
    convolutions, norms, dense = (_select_kind(layers, kind) for kind in ("convolution", "norm", "dense"))
    known = _CONVOLUTIONS.get(len(convolutions))
    if known is None:
        raise ModelError(
            f"{path} holds no MesoNet: {len(convolutions)} convolutions, Meso4 has 4 and MesoInception4 has 16"
        )
    network = known.body()
    modules = list(network.named_modules())
    state: dict[str, torch.Tensor] = {}
    for kind, found in ((torch.nn.Conv2d, convolutions), (torch.nn.BatchNorm2d, norms), (torch.nn.Linear, dense)):
        names = [name for name, module in modules if isinstance(module, kind)]  # in the order of Keras' numbers
        if len(names) != len(found):
            raise ModelError(
                f"{path} holds no {known.ARCHITECTURE}: {len(found)} layers of one kind instead of {len(names)}"
            )
        for name, layer in zip(names, found, strict=True):
            state |= {f"{name}.{parameter}": value for parameter, value in _translate(layer, network).items()}
    state |= {name: -value for name, value in state.items() if name.startswith("logit.")}  # Keras: positive is "real"
    try:
        load_state(network, state, path=path, architecture=known.ARCHITECTURE)
    except ModelCardError as error:
        raise ModelError(str(error)) from error
    return KerasMesoNet(known.ARCHITECTURE, "mesoinception4" if known.inception else "meso4", state)


def import_mesonet(path: Path, *, out: Path, crop_side: float) -> ModelCard:
    """Convert a Keras 2 file to a safetensors file with its model card.

    Args:
        path: the authors' ``.h5`` file.
        out: the ``.safetensors`` file; the card has the same name with ``.json``.
        crop_side: side of the square around a face, in heights of the detector's box.

    Raises:
        ModelError: as for :func:`read_mesonet`.
        OutputError: a file cannot be written.
    """
    found = read_mesonet(path)
    card = ModelCard(
        id=f"{found.name}-imported-{path.stem}",
        architecture=found.architecture,
        weights_sha256=export_weights(found.state, out, dtype="float32"),
        dtype="float32",
        output="one logit, positive = fake",
        input=InputFormat(size=INPUT_SIZE, channels="RGB", mean=0.0, std=255.0, resize="area"),
        crop=CropPolicy(side_over_box_height=crop_side, centre_below_box_centre_over_box_height=0.0),
        calibration=PlattCalibration(scale=1.0, shift=0.0, fitted_on="nothing: the network's own probability"),
        training={"data": "the MesoNet authors' (Afchar et al., 2018)", "imported_from": path.name},
        metrics={},
        limits=_LIMITS,
        licence="the MesoNet authors' own, see their repository",
    )
    write_whole(out.with_suffix(".json"), card.model_dump_json(indent=2) + "\n")
    return card


def _layers(path: Path) -> Layers:
    """The parameters of each layer by its Keras name, in creation order."""
    try:
        h5py: Any = importlib.import_module("h5py")
    except ModuleNotFoundError:
        raise ModelError(
            "Keras files are read by h5py, which is not installed: pip install 'deepfake-monitor[meso-h5]'"
        ) from None
    layers: dict[str, dict[str, NDArray[Any]]] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            layer = name.removeprefix("model_weights/").partition("/")[0]
            parameter = name.rpartition("/")[2].partition(":")[0]
            layers.setdefault(layer, {})[parameter] = np.asarray(item, np.float32)

    try:
        with h5py.File(path, "r") as file:
            file["model_weights"].visititems(visit) if "model_weights" in file else file.visititems(visit)
    except OSError as error:
        raise ModelError(f"{path} cannot be read as a Keras .h5 file: {error}") from error
    return [layers[name] for name in sorted(layers, key=_number)]


def _number(layer: str) -> int:
    """7 for "conv2d_7"; Keras omits the first layer's number, or counts from one."""
    found = re.search(r"_(\d+)$", layer)
    return int(found[1]) if found else 0


def _select_kind(layers: Layers, kind: str) -> Layers:
    dimensions = {"convolution": 4, "dense": 2}
    if kind == "norm":
        return [layer for layer in layers if "gamma" in layer]
    return [layer for layer in layers if "kernel" in layer and layer["kernel"].ndim == dimensions[kind]]


def _translate(layer: dict[str, NDArray[Any]], network: MesoNet) -> dict[str, torch.Tensor]:
    """One layer's parameters with our names and axis order."""
    names = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    names |= {"kernel": "weight", "bias": "bias"}
    values = {names[name]: value for name, value in layer.items() if name in names}
    if "gamma" in layer:
        values["num_batches_tracked"] = np.array(0)
    elif layer["kernel"].ndim == 4:
        values["weight"] = layer["kernel"].transpose(3, 2, 0, 1)
    elif layer["kernel"].shape[0] == network.dense.in_features:
        maps = layer["kernel"].reshape(*network.last_map_shape[1:], network.last_map_shape[0], -1)
        values["weight"] = maps.transpose(3, 2, 0, 1).reshape(maps.shape[-1], -1)
    else:
        values["weight"] = layer["kernel"].T
    return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in values.items()}
