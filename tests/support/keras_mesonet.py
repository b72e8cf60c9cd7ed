"""MesoNet as Keras 2 keeps and computes it: a file in its layout, and a forward pass in NumPy, channels last."""

import re
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Layers = dict[str, dict[str, Array]]  # parameters by layer name, "kernel" etc.

INCEPTIONS = [(3, (1, 4, 4, 2)), (11, (2, 4, 4, 2))]


def keras_layers(name: str, *, seed: int = 1, first: int = 1) -> Layers:
    """Random parameters of "Meso4" or "MesoInception4"; ``first`` is the number of the first of each kind of layer."""
    rng = np.random.default_rng(seed)
    kernels: list[tuple[int, int, int]] = []  # side, in, out
    if name == "Meso4":
        kernels, norms = [(3, 3, 8), (5, 8, 8), (5, 8, 16), (5, 16, 16)], [8, 8, 16, 16]
    else:
        for inputs, (a, b, c, d) in INCEPTIONS:
            kernels += [(1, inputs, a)]
            for width in (b, c, d):
                kernels += [(1, inputs, width), (3, width, width)]
        kernels += [(5, 12, 16), (5, 16, 16)]
        norms = [11, 12, 16, 16]
    layers: Layers = {}

    def array(*shape: int, scale: float = 1.0) -> Array:
        return (rng.standard_normal(shape) * scale).astype(np.float32)

    for i, (side, inputs, outputs) in enumerate(kernels):
        kernel = array(side, side, inputs, outputs, scale=(side * side * inputs / 2) ** -0.5)
        layers[f"conv2d_{i + first}"] = {"kernel": kernel, "bias": array(outputs, scale=0.1)}
    for i, width in enumerate(norms):
        layers[f"batch_normalization_{i + first}"] = {
            "gamma": 1 + array(width, scale=0.1),
            "beta": array(width, scale=0.1),
            "moving_mean": array(width, scale=0.1),
            "moving_variance": (0.3 + np.abs(array(width, scale=0.5))).astype(np.float32),
        }
    for i, (inputs, outputs) in enumerate(((8 * 8 * 16, 16), (16, 1))):
        layers[f"dense_{i + first}"] = {"kernel": array(inputs, outputs, scale=inputs**-0.5), "bias": array(outputs)}
    return layers


def write_keras(path: Path, layers: Layers, *, whole_model: bool = False) -> Path:
    """A weights file as ``model.save_weights`` of Keras 2 makes it, or as ``model.save`` does."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole_model else file
        names = [*layers, "dropout_1", "flatten_1", "leaky_re_lu_1"]
        root.attrs["layer_names"] = [name.encode() for name in names]
        root.attrs["keras_version"], root.attrs["backend"] = b"2.1.5", b"tensorflow"
        for name in names:
            group, parameters = root.create_group(name), layers.get(name, {})
            group.attrs["weight_names"] = [f"{name}/{parameter}:0".encode() for parameter in parameters]
            for parameter, value in parameters.items():
                group[f"{name}/{parameter}:0"] = value
        if whole_model:
            file["optimizer_weights/Adam/conv2d_1/kernel/m:0"] = np.zeros((3, 3, 3, 8), np.float32)
    return path


def logit_of_real(layers: Layers, pictures: Array) -> NDArray[np.float64]:
    """The last layer (N,), before its sigmoid, for pictures (N, 256, 256, 3) in [0, 1]; in double precision."""
    ordered = {kind: _numbered(layers, kind) for kind in ("conv2d", "batch_normalization", "dense")}
    convolutions, norms = iter(ordered["conv2d"]), iter(ordered["batch_normalization"])
    x = pictures.astype(np.float64)
    for block, pool in enumerate((2, 2, 2, 4)):
        if len(ordered["conv2d"]) == 16 and block < 2:
            branches = [_convolved(x, next(convolutions))]
            for dilation in (1, 2, 3):
                narrow = _convolved(x, next(convolutions))
                branches.append(_convolved(narrow, next(convolutions), dilation=dilation))
            x = np.concatenate(branches, axis=-1)
        else:
            x = _convolved(x, next(convolutions))
        norm = next(norms)
        x = (x - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 1e-3) * norm["gamma"] + norm["beta"]
        n, height, width, streams = x.shape
        x = x.reshape(n, height // pool, pool, width // pool, pool, streams).max((2, 4))
    first, last = ordered["dense"]
    z = x.reshape(len(x), -1) @ first["kernel"] + first["bias"]
    return (np.where(z > 0, z, 0.1 * z) @ last["kernel"] + last["bias"])[:, 0]


def _numbered(layers: Layers, kind: str) -> list[dict[str, Array]]:
    found = {int(match[1]): layers[name] for name in layers if (match := re.fullmatch(rf"{kind}_(\d+)", name))}
    return [found[number] for number in sorted(found)]


def _convolved(x: NDArray[np.float64], layer: dict[str, Array], *, dilation: int = 1) -> NDArray[np.float64]:
    """Stride 1, padding "same", ReLU."""
    kernel = layer["kernel"].astype(np.float64)
    side, (height, width) = kernel.shape[0], x.shape[1:3]
    pad = dilation * (side // 2)
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    total = np.zeros((len(x), height, width, kernel.shape[3]))
    for row in range(side):
        for column in range(side):
            top, left = row * dilation, column * dilation
            total += padded[:, top : top + height, left : left + width] @ kernel[row, column]
    return np.maximum(total + layer["bias"], 0)
