"""InceptionResnetV1 (Szegedy et al., AAAI 2017; facenet-pytorch's), with one logit for "fake".

Any input of 75 px or more works; the last map has 1 x 1 cells at 96 px, 3 x 3 at 160, 5 x 5 at 224.
Only the functions import torch, so a compiled engine starts without it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from monitor.errors import ModelError

if TYPE_CHECKING:
    import torch

    from monitor.classifiers.evidence_map import EvidenceNetwork

ARCHITECTURE = "facenet-pytorch InceptionResnetV1, classify=True, num_classes=1"  # the name on model cards
REVISION = "1"  # increase when ``build`` changes the network for the same weights
INPUT_SIZES = range(75, 1025)  # sides of a crop, pixels
TRUNK = (  # from the input to the last map
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


def body(*, dropout: float = 0.0) -> torch.nn.Module:
    """See ``Architecture.body``; ``dropout`` is on the 1792 pooled features."""
    from monitor.inference.facenet import facenet_pytorch

    network = facenet_pytorch().InceptionResnetV1(classify=True, num_classes=1, dropout_prob=dropout)
    return cast("torch.nn.Module", network)


def with_evidence(body: torch.nn.Module, *, input_size: int) -> EvidenceNetwork:  # noqa: ARG001 - supports every size
    """See ``Architecture.with_evidence``; the head is folded, which copies it."""
    import torch

    from monitor.classifiers.evidence_map import EvidenceNetwork, fold_head

    layers = dict(body.named_children())
    weight, bias = fold_head(
        cast("torch.nn.Linear", layers["last_linear"]),
        norm=cast("torch.nn.BatchNorm1d", layers["last_bn"]),
        classifier=cast("torch.nn.Linear", layers["logits"]),
    )
    return EvidenceNetwork(torch.nn.Sequential(*(layers[name] for name in TRUNK)), weight=weight, bias=bias)


def build(weights: Path, *, input_size: int) -> EvidenceNetwork:
    """See ``Architecture.build``; the file has facenet-pytorch's parameter names."""
    from monitor.classifiers.weights import restore

    return with_evidence(restore(body, weights, architecture=ARCHITECTURE), input_size=input_size)


def vggface2_state() -> dict[str, torch.Tensor]:
    """facenet-pytorch's own VGGFace2 weights (face recognition), downloaded and cached by it, for initialisation.

    All parameters and buffers of ``body()`` except the last layer's, ``logits``, which stays random:
    ``body.load_state_dict(vggface2_state(), strict=False)``.

    Raises:
        ModelError: the weights cannot be loaded.
    """
    import pickle

    from monitor.inference.facenet import facenet_pytorch

    try:
        network = facenet_pytorch().InceptionResnetV1(pretrained="vggface2")
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"facenet-pytorch's VGGFace2 weights cannot be loaded ({reason}): connect to the network and try again, "
            "or start from random weights"
        ) from error
    return {name: value for name, value in network.state_dict().items() if not name.startswith("logits.")}
