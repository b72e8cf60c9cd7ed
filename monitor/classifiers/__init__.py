"""Loads the classifiers, networks that score how fake a face crop looks.

``load_classifier()`` returns a network with its card; ``architecture()`` returns the functions for training.
``register()`` adds an architecture. Weights and cards are in ``engines/``; ``monitor.inference`` compiles engines
from them.

model_card       the description of one set of weights;  weights  their files
committee        several classifiers and their card;  fusion  combines their scores
crops            boxes -> the squares for a classifier;  reference_crops  crops for the parity test of an engine
evidence_map     a network with a map of its evidence as second output
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
from monitor.types.formatting import suggest

if TYPE_CHECKING:
    import torch

    from monitor.classifiers.model_card import ModelCard

_ARCHITECTURES = {  # name -> module, and the attribute in it, if the module itself is not the architecture
    "inception_resnet_v1": (f"{__name__}.architectures.inception_resnet_v1", ""),
    "efficientnet_lite0": (f"{__name__}.architectures.efficientnet_lite", "LITE0"),
    "efficientnet_lite1": (f"{__name__}.architectures.efficientnet_lite", "LITE1"),
    "efficientnet_lite2": (f"{__name__}.architectures.efficientnet_lite", "LITE2"),
    "xception": (f"{__name__}.architectures.xception", ""),
    "vit": (f"{__name__}.architectures.vit", ""),
    "meso4": (f"{__name__}.architectures.meso", "MESO4"),
    "mesoinception4": (f"{__name__}.architectures.meso", "MESOINCEPTION4"),
}
DEFAULT_MODEL = "efficientnet_lite0"
_OUTPUTS = ("logit", "evidence_map")
_PACKAGE = Path(__file__).parent.parent


class Architecture(Protocol):
    """A network of the registry. Importing its module does not import torch; calling its functions does."""

    @property
    def ARCHITECTURE(self) -> str:  # noqa: N802 - a constant of each
        """Its name on model cards."""

    REVISION: str  # increase when ``build`` changes the network for the same weights
    INPUT_SIZES: range  # valid sides of a crop, pixels

    @staticmethod
    def body(*, dropout: float = 0.0) -> torch.nn.Module:
        """Random weights, train mode: (N, 3, S, S) -> logits (N, 1). Weights files hold its ``state_dict``.

        ``dropout`` is a probability, on the features before the last layer.
        """

    @staticmethod
    def with_evidence(body: torch.nn.Module, *, input_size: int) -> torch.nn.Module:
        """Eval mode: (N, 3, S, S) -> (logit (N,), evidence map (N, h, w)), mean(map) + bias = logit.

        The layers are shared with the body and set to eval mode; the last one is copied.
        """

    @staticmethod
    def build(weights: Path, *, input_size: int) -> torch.nn.Module:
        """``with_evidence`` on the CPU with the weights of a safetensors file, fp16 or fp32, computed in fp32.

        Raises:
            ModelCardError: the file holds other tensors.
        """


@dataclass(frozen=True, slots=True)
class Classifier:
    """A network that scores how fake a face crop looks, with the card of its weights."""

    card: ModelCard
    network: Network  # outputs: logit (N,), evidence_map (N, h, w); mean(map) + bias = logit
    input_size: int  # S: side of a crop, pixels; the card's unless another was requested


def register(name: str, *, module: str, attribute: str = "") -> None:
    """Register another architecture for ``classifier.model``.

    Args:
        name: in the registry, and of its files in ``engines/``.
        module: full name of a module that is an ``Architecture``; imported on first use.
        attribute: the ``Architecture`` in that module, if the module itself is not one.
    """
    _ARCHITECTURES[name] = (module, attribute)


def available_models() -> tuple[str, ...]:
    """Valid names for ``load_classifier`` and ``architecture``."""
    return tuple(_ARCHITECTURES)


def architecture(name: str) -> Architecture:
    """The architecture ``name``, whether or not its weights exist.

    Raises:
        UsageError: the name is unknown.
    """
    if name not in _ARCHITECTURES:
        raise UsageError(
            f"unknown model {name!r}: this program knows {', '.join(_ARCHITECTURES)}"
            + suggest(name, list(_ARCHITECTURES))
        )
    module, attribute = _ARCHITECTURES[name]
    found = importlib.import_module(module)
    return cast("Architecture", getattr(found, attribute) if attribute else found)


def engines_dir() -> Path:
    """The folder of default weights and cards: inside an installed wheel, or beside the package in a checkout."""
    installed = _PACKAGE / "engines"
    return installed if installed.is_dir() else _PACKAGE.parent / "engines"


def model_of(weights: Path) -> str:
    """The registered name of the architecture that the card of a weights file names.

    Raises:
        WeightsMissingError: the file does not exist.
        ModelCardError: the card is missing or malformed, or names an unknown architecture.
    """
    return _registered_name(_read_card(weights), weights)


def load_classifier(
    name: str | None = None, *, weights: Path | None = None, input_size: int | None = None
) -> Classifier:
    """The classifier ``name``; the network is built, and torch imported, only when a backend compiles it.

    Args:
        name: one of ``available_models()``; default: the one of ``weights``, or ``DEFAULT_MODEL``.
        weights: safetensors file with its card beside it as ``.json``; default: the file in ``engines_dir()``.
        input_size: side of the crops, pixels, if it differs from the card's. The returned card is calibrated for this
            size if the card has a profile for it, else unchanged (for benchmarks).

    Raises:
        UsageError: the name is unknown, or the network does not support that input size.
        WeightsMissingError: the file does not exist.
        ModelCardError: the card is missing or malformed, or describes other weights.
    """
    from monitor.inference.ranges import ranges_path, read_ranges

    if name is not None:
        architecture(name)  # an unknown name is an error of its own, not a missing file
    path = weights or engines_dir() / f"{name or DEFAULT_MODEL}.safetensors"
    card = _read_card(path)
    name = name or _registered_name(card, path)
    known = architecture(name)
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


def _read_card(weights: Path) -> ModelCard:
    from monitor.classifiers.model_card import read_card

    if not weights.is_file():
        raise WeightsMissingError(
            f"weights {weights} are missing, and no face is ever scored with random ones: put {weights.name} and its "
            f"card {weights.stem}.json there (both are part of the repository's engines folder), or name other weights "
            "with the setting classifier.weights"
        )
    return read_card(weights.with_suffix(".json"), weights=weights)


def _registered_name(card: ModelCard, weights: Path) -> str:
    for name in available_models():
        if card.architecture == architecture(name).ARCHITECTURE:
            return name
    known = ", ".join(available_models())
    raise ModelCardError(f"{weights} holds {card.architecture!r}, which this program does not know: it knows {known}")


def _sides(sizes: range) -> str:
    if len(sizes) == 1:
        return f"{sizes[0]} pixels only"
    steps = "" if sizes.step == 1 else f" in steps of {sizes.step}"
    return f"{sizes[0]} to {sizes[-1]} pixels{steps}"
