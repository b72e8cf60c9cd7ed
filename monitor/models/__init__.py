"""Detectors: registry, weights, model cards.

``load_detector()`` gives a network and its card. Weights and cards live in ``engines/``; compiled
engines are made from them by ``monitor.backends``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.errors import ModelCardError, UsageError, WeightsMissingError
from monitor.models import inception_resnet_v1
from monitor.models.card import ModelCard, read_card
from monitor.models.network import Network

if TYPE_CHECKING:
    from types import ModuleType

_ARCHITECTURES: dict[str, ModuleType] = {"inception_resnet_v1": inception_resnet_v1}
_OUTPUTS = ("logit", "evidence_map")
_PACKAGE = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Detector:
    """A network that says how fake a face crop looks, and the card of its weights."""

    card: ModelCard
    network: Network  # outputs: logit (N,), evidence_map (N, h, w); mean(map) + bias = logit
    input_size: int  # S: side of a crop, pixels; the card's, unless another was asked for


def available_models() -> tuple[str, ...]:
    """Names that ``load_detector`` knows."""
    return tuple(_ARCHITECTURES)


def engines_dir() -> Path:
    """Where default weights and cards lie: inside an installed wheel, or beside the package in a checkout."""
    installed = _PACKAGE / "engines"
    return installed if installed.is_dir() else _PACKAGE.parent / "engines"


def load_detector(
    name: str = "inception_resnet_v1", *, weights: Path | None = None, input_size: int | None = None
) -> Detector:
    """The detector ``name``; nothing is built and torch is not imported until a backend compiles it.

    Args:
        name: one of ``available_models()``.
        weights: safetensors file, its card beside it as ``.json``; default: the one in ``engines_dir()``.
        input_size: side of the crops, pixels, where it shall differ from the card's (benchmarks).

    Raises:
        UsageError: the name is unknown, or the network cannot take that input size.
        WeightsMissingError: there is no such file.
        ModelCardError: the card is missing or malformed, or describes other weights.
    """
    architecture = _ARCHITECTURES.get(name)
    if architecture is None:
        msg = f"unknown model {name!r}: this program knows {', '.join(available_models())}"
        raise UsageError(msg)
    path = weights or engines_dir() / f"{name}.safetensors"
    if not path.is_file():
        msg = (
            f"weights {path} are missing, and nothing is ever scored with random ones: put {path.name} and its "
            f"card {path.stem}.json there (both are part of the repository's engines folder), or name other weights "
            "with the setting classifier.weights"
        )
        raise WeightsMissingError(msg)
    card = read_card(path.with_suffix(".json"), weights=path)
    if card.architecture != architecture.ARCHITECTURE:
        msg = f"{path} holds {card.architecture!r}, but {name} is {architecture.ARCHITECTURE!r}"
        raise ModelCardError(msg)
    size = input_size or card.input.size
    if size < architecture.MIN_INPUT_SIZE:
        msg = f"{name} needs crops of {architecture.MIN_INPUT_SIZE} pixels or more, {size} were asked for"
        raise UsageError(msg)
    facts = "\n".join((card.weights_sha256, architecture.ARCHITECTURE, architecture.REVISION, str(size)))
    network = Network(
        name=f"{name}-{size}",
        digest=hashlib.sha256(facts.encode()).hexdigest(),
        build=partial(architecture.build, path),
        input_shape=(None, 3, size, size),
        outputs=_OUTPUTS,
    )
    return Detector(card=card, network=network, input_size=size)
