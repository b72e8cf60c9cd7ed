"""InceptionResnetV1 (Szegedy et al., AAAI 2017; facenet-pytorch's), with one logit for "fake".

Any input of 75 px or more works; the last map has 1 x 1 cells at 96 px, 3 x 3 at 160, 5 x 5 at 224.
Torch is imported by ``build`` alone, so that a compiled engine starts without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.errors import ModelCardError

if TYPE_CHECKING:
    from pathlib import Path

    import torch

ARCHITECTURE = "facenet-pytorch InceptionResnetV1, classify=True, num_classes=1"  # as cards name it
MIN_INPUT_SIZE = 75  # pixels
REVISION = "1"  # raised when ``build`` makes another network from the same weights
_TRUNK = (
    "conv2d_1a",
    "conv2d_2a",
    "conv2d_2b",
    "maxpool_3a",
    "conv2d_3b",
    "conv2d_4a",
    "conv2d_4b",
    "repeat_1",
    "mixed_6a",
    "repeat_2",
    "mixed_7a",
    "repeat_3",
    "block8",
)


def build(weights: Path) -> torch.nn.Module:
    """The network in eval mode, fp32, on the CPU: (N, 3, S, S) -> (logit (N,), evidence map (N, h, w)).

    Args:
        weights: safetensors file with facenet-pytorch's parameter names, fp16 or fp32.

    Raises:
        ModelCardError: the file does not hold this architecture, exactly.
    """
    import safetensors
    import torch
    from safetensors.torch import load_file

    from monitor.models.facenet import facenet_pytorch

    with torch.device("meta"):  # nothing is initialised: every value comes from the file, or the load fails
        body = facenet_pytorch().InceptionResnetV1(classify=True, num_classes=1)
    try:
        state = load_file(weights)
        widened = {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
        body.load_state_dict(widened, strict=True, assign=True)
    except (RuntimeError, safetensors.SafetensorError) as error:
        msg = f"weights {weights} do not fit {ARCHITECTURE}: {str(error).splitlines()[-1].strip()}"
        raise ModelCardError(msg) from error
    return with_evidence(body)


def with_evidence(body: torch.nn.Module) -> torch.nn.Module:
    """facenet-pytorch's ``InceptionResnetV1(classify=True, num_classes=1)`` with the evidence map as second output."""
    from monitor.models.evidence import EvidenceNetwork

    layers = dict(body.named_children())
    return EvidenceNetwork(
        [layers[name] for name in _TRUNK],
        linear=layers["last_linear"],  # type: ignore[arg-type]
        norm=layers["last_bn"],  # type: ignore[arg-type]
        classifier=layers["logits"],  # type: ignore[arg-type]
    )
