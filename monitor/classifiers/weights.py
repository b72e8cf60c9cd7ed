"""Weights files: safetensors, kernels in fp16 or fp32, vectors in fp32, integers unchanged.

Files are written atomically. The same parameters give the same bytes, so a SHA-256 identifies them.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import safetensors
import torch
from safetensors.torch import load_file, save

from monitor.errors import ModelCardError, OutputError
from monitor.system.files import write_whole

_DTYPES = {"float16": torch.float16, "float32": torch.float32}


def read_weights(path: Path, *, architecture: str) -> dict[str, torch.Tensor]:
    """All tensors of a weights file by name, on the CPU; floats as fp32.

    Raises:
        ModelCardError: the file cannot be read as safetensors.
    """
    try:
        state: dict[str, torch.Tensor] = load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise _misfit(path, architecture, error) from error
    return {name: value.float() if value.is_floating_point() else value for name, value in state.items()}


def load_state(
    body: torch.nn.Module, state: Mapping[str, torch.Tensor], *, path: Path, architecture: str
) -> torch.nn.Module:
    """Load the tensors of ``state`` into ``body`` (possibly on the meta device); the names must match exactly.

    Raises:
        ModelCardError: a tensor is missing, unexpected or of another shape; the message names ``path``.
    """
    try:
        body.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        raise _misfit(path, architecture, error) from error
    return body


def restore(body: Callable[[], torch.nn.Module], path: Path, *, architecture: str) -> torch.nn.Module:
    """Create ``body()`` with the weights of a file instead of random ones.

    Raises:
        ModelCardError: the file's tensors do not match the network.
    """
    state = read_weights(path, architecture=architecture)
    with torch.device("meta"):  # no initialisation: all values come from the file, or loading fails
        network = body()
    return load_state(network, state, path=path, architecture=architecture)


def export_weights(
    state: Mapping[str, torch.Tensor], path: Path, *, dtype: Literal["float16", "float32"] = "float16"
) -> str:
    """Write ``state`` to ``path`` and return the file's SHA-256 in hex.

    Args:
        state: a body's ``state_dict()``; integers stay unchanged.
        path: the safetensors file; replaced atomically.
        dtype: of the kernels and matrices in the file. Vectors (biases, statistics) are always fp32, because they
            are small and a BatchNorm's running variance may exceed the range of fp16.

    Raises:
        OutputError: a value is not finite in ``dtype``, or the file cannot be written.
    """
    tensors = {}
    for name in sorted(state):
        value = state[name].detach().to("cpu")
        if value.is_floating_point():
            value = value.to(_DTYPES[dtype] if value.ndim > 1 else torch.float32)
            if not bool(torch.isfinite(value).all()):
                raise OutputError(f"{name} holds values that are not finite in {dtype}: nothing was written to {path}")
        tensors[name] = value.contiguous().clone()  # safetensors refuses tensors that share memory
    content = save(tensors)
    write_whole(path, content)
    return hashlib.sha256(content).hexdigest()


def sha256(path: Path) -> str:
    """A file's SHA-256 in hex, as in model cards."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _misfit(path: Path, architecture: str, error: Exception) -> ModelCardError:
    reason = str(error).splitlines()[-1].strip()
    return ModelCardError(f"weights {path} do not fit {architecture}: {reason}")
