"""Loads the networks that say how fake a face crop looks.

``load_classifier()`` gives a network and its card; ``architecture()`` gives what training needs. ``register()``
adds an architecture. Weights and cards live in ``engines/``; compiled engines are made from them by
``monitor.inference``.

model_card       what is said of one set of weights;  weights  their files
committee        several classifiers and their card;  fusion  their scores -> one
crops            boxes -> the squares that a classifier sees;  reference_crops  crops that an engine is tried on
evidence_map     a network whose second output says where
architectures/   the networks

Importing this package needs neither torch nor pydantic.
"""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from monitor.errors import ModelCardError, UsageError, WeightsMissingError
from monitor.inference.network import Network, Preprocessing

if TYPE_CHECKING:
    import torch

    from monitor.classifiers.model_card import ModelCard

_ARCHITECTURES = {  # name -> module, and what in it, if it is not the module itself
    "inception_resnet_v1": (f"{__name__}.architectures.inception_resnet_v1", ""),
    "efficientnet_lite0": (f"{__name__}.architectures.efficientnet_lite", "LITE0"),
    "efficientnet_lite1": (f"{__name__}.architectures.efficientnet_lite", "LITE1"),
    "efficientnet_lite2": (f"{__name__}.architectures.efficientnet_lite", "LITE2"),
    "xception": (f"{__name__}.architectures.xception", ""),
    "vit": (f"{__name__}.architectures.vit", ""),
    "meso4": (f"{__name__}.architectures.meso", "MESO4"),
    "mesoinception4": (f"{__name__}.architectures.meso", "MESOINCEPTION4"),
}
_OUTPUTS = ("logit", "evidence_map")
_PACKAGE = Path(__file__).parent.parent


class Architecture(Protocol):
    """A network that the registry offers; importing its module imports no torch, its functions do."""

    @property
    def ARCHITECTURE(self) -> str:  # noqa: N802 - a constant of each
        """Its name on cards."""

    REVISION: str  # raised when ``build`` makes another network from the same weights
    INPUT_SIZES: range  # sides of a crop that it takes, pixels

    @staticmethod
    def body(*, dropout: float = 0.0) -> torch.nn.Module:
        """Random weights, train mode: (N, 3, S, S) -> logits (N, 1). Its ``state_dict`` is what weights files hold."""

    @staticmethod
    def with_evidence(body: torch.nn.Module, *, input_size: int) -> torch.nn.Module:
        """Eval mode: (N, 3, S, S) -> (logit (N,), evidence map (N, h, w)), mean(map) + bias = logit."""

    @staticmethod
    def build(weights: Path, *, input_size: int) -> torch.nn.Module:
        """``with_evidence`` of the weights in a file; ModelCardError if it holds anything else."""


@dataclass(frozen=True, slots=True)
class Classifier:
    """A network that says how fake a face crop looks, and the card of its weights."""

    card: ModelCard
    network: Network  # outputs: logit (N,), evidence_map (N, h, w); mean(map) + bias = logit
    input_size: int  # S: side of a crop, pixels; the card's, unless another was asked for


def register(name: str, *, module: str, attribute: str = "") -> None:
    """Offer another architecture as ``classifier.model``.

    Args:
        name: in the registry, and of its files in ``engines/``.
        module: full name of a module that is an ``Architecture``; it is imported when it is first used.
        attribute: where an ``Architecture`` lies in that module, if the module is none.
    """
    _ARCHITECTURES[name] = (module, attribute)


def available_models() -> tuple[str, ...]:
    """Names that ``load_classifier`` and ``architecture`` know."""
    return tuple(_ARCHITECTURES)


def architecture(name: str) -> Architecture:
    """The architecture ``name``, with or without weights of it at hand.

    Raises:
        UsageError: the name is unknown.
    """
    if name not in _ARCHITECTURES:
        raise UsageError(f"unknown model {name!r}: this program knows {', '.join(_ARCHITECTURES)}")
    module, attribute = _ARCHITECTURES[name]
    found = importlib.import_module(module)
    return cast("Architecture", getattr(found, attribute) if attribute else found)


def engines_dir() -> Path:
    """Where default weights and cards lie: inside an installed wheel, or beside the package in a checkout."""
    installed = _PACKAGE / "engines"
    return installed if installed.is_dir() else _PACKAGE.parent / "engines"


def load_classifier(
    name: str = "inception_resnet_v1", *, weights: Path | None = None, input_size: int | None = None
) -> Classifier:
    """The classifier ``name``; nothing is built and torch is not imported until a backend compiles it.

    Args:
        name: one of ``available_models()``.
        weights: safetensors file, its card beside it as ``.json``; default: the one in ``engines_dir()``.
        input_size: side of the crops, pixels, where it shall differ from the card's. The card is then that of this
            size, if it knows it, and else as it is (benchmarks).

    Raises:
        UsageError: the name is unknown, or the network cannot take that input size.
        WeightsMissingError: there is no such file.
        ModelCardError: the card is missing or malformed, or describes other weights.
    """
    from monitor.classifiers.model_card import read_card
    from monitor.inference.ranges import ranges_path, read_ranges

    known = architecture(name)
    path = weights or engines_dir() / f"{name}.safetensors"
    if not path.is_file():
        raise WeightsMissingError(
            f"weights {path} are missing, and nothing is ever scored with random ones: put {path.name} and its "
            f"card {path.stem}.json there (both are part of the repository's engines folder), or name other weights "
            "with the setting classifier.weights"
        )
    card = read_card(path.with_suffix(".json"), weights=path)
    if card.architecture != known.ARCHITECTURE:
        raise ModelCardError(f"{path} holds {card.architecture!r}, but {name} is {known.ARCHITECTURE!r}")
    size = input_size or card.input.size
    if size not in known.INPUT_SIZES:
        raise UsageError(f"{name} takes crops of {_sides(known.INPUT_SIZES)}, {size} were asked for")
    preprocessing = Preprocessing(card.input.mean, card.input.std)
    facts = "\n".join((card.weights_sha256, known.ARCHITECTURE, known.REVISION, str(size), repr(preprocessing)))
    network = Network(
        name=f"{name}-{size}",
        digest=hashlib.sha256(facts.encode()).hexdigest(),
        build=partial(known.build, path, input_size=size),
        input_shape=(None, 3, size, size),
        outputs=_OUTPUTS,
        preprocessing=preprocessing,
        ranges=partial(read_ranges, ranges_path(path), weights_sha256=card.weights_sha256, size=size),
    )
    return Classifier(card=card.at(size) if size in card.sizes else card, network=network, input_size=size)


def _sides(sizes: range) -> str:
    if len(sizes) == 1:
        return f"{sizes[0]} pixels only"
    steps = "" if sizes.step == 1 else f" in steps of {sizes.step}"
    return f"{sizes[0]} to {sizes[-1]} pixels{steps}"
