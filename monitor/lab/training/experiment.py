"""An experiment: one TOML file with all settings of a training.

The file's tables correspond to the classes below, field by field. Missing fields keep their defaults, unknown ones
are errors. ``monitor/lab/experiments`` holds those of the shipped weights, and the latest trials of
docs/experiments.md.
"""

import dataclasses
import hashlib
import json
import math
import tomllib
import typing
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from monitor.errors import ExperimentError
from monitor.lab.fakes.degradations import STRONGEST

MAX_SIDE = 4.0  # box heights that a model card allows


@dataclass(frozen=True, slots=True)
class Data:
    """Split "train" of one set of prepared face crops, and its share of every batch."""

    name: str  # folder below one of the data roots
    share: float = 1.0  # of the pairs, relative to the other sets
    pseudo_fakes: float = 0.0  # share of its pairs with a pseudo-fake of the real crop


@dataclass(frozen=True, slots=True)
class Crops:
    """Random square crops around the faces, the same for both halves of a pair."""

    scale: tuple[float, float] = (0.75, 1.0)  # smallest and largest side, box heights; limited by the stored crop
    shift: float = 0.04  # largest offset of the centre along each axis, box heights
    side: float = 0.85  # box heights, for evaluation and the live path; written to the card
    centre: float = 0.06  # box heights below the box's centre


@dataclass(frozen=True, slots=True)
class PseudoFakes:
    """Relative shares of the kinds of pseudo-fakes."""

    self_blended: float = 0.6
    cross_blended: float = 0.2
    decoded: float = 0.2
    neural: float = 0.0  # needs ``Experiment.autoencoders``


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the training at one input size; sizes may grow from stage to stage."""

    size: int  # pixels
    images: int  # seen in this stage
    batch: int = 32  # images per step, half of them real


@dataclass(frozen=True, slots=True)
class Optimizer:
    """AdamW with warm-up, cosine decay over the whole experiment, and an exponential moving average."""

    lr: float = 1e-3  # the maximum
    final_lr: float = 1e-5
    warmup_images: int = 5_000
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    label_smoothing: float = 0.05
    ema_images: int = 20_000  # images after which the weight of old values falls to 1/e
    sam_radius: float = 0.0  # Sharpness-Aware Minimization (Foret et al., ICLR 2021), at twice the cost; 0: off


@dataclass(frozen=True, slots=True)
class Distillation:
    """A teacher, whose answers are learned beside the labels (Hinton et al., 2015)."""

    model: str = ""  # its name in the registry; "": no teacher
    weights: str = ""  # its safetensors file, with the card beside it
    share: float = 0.7  # of the loss
    temperature: float = 2.0  # by which both logits are divided


@dataclass(frozen=True, slots=True)
class ValidationSchedule:
    """Interval and material of the validations; the best averaged weights are kept."""

    every_images: int = 20_000
    sets: tuple[str, ...] = ()  # names of data sets, their split "val"; default: the labelled training sets
    limit: int = 2_000  # crops of each set


@dataclass(frozen=True, slots=True)
class Experiment:
    """All settings of a training."""

    name: str
    model: str = "inception_resnet_v1"
    question: str = ""  # the question that the experiment answers
    seed: int = 1
    init: str = ""  # "", "imagenet", "vggface2", or a safetensors file to start from
    batch_norm: str = "trained"  # "frozen": keep the running statistics of ``init``, train gains and biases
    frozen_stages: int = 0  # EfficientNet-Lite: keep ``init`` in the stem and in this many stages
    dropout: float = 0.4
    degradation: float = 1.0  # strength, 0 = none
    covered: float = 0.0  # share of the pairs whose faces wear a mask, dark glasses or the like
    grey: float = 0.0  # share of the pairs in black and white
    autoencoders: str = ""  # safetensors file of ``lab autoencoders``, for neural pseudo-fakes
    precision: str = "auto"  # "bf16", "fp32"; "auto": bf16 where the hardware supports it
    normalisation: tuple[float, float] = (127.5, 128.0)  # mean and std of a channel, 0..255
    data: tuple[Data, ...] = ()
    crops: Crops = field(default_factory=Crops)
    fakes: PseudoFakes = field(default_factory=PseudoFakes)
    stages: tuple[Stage, ...] = ()
    optimizer: Optimizer = field(default_factory=Optimizer)
    distillation: Distillation = field(default_factory=Distillation)
    validation: ValidationSchedule = field(default_factory=ValidationSchedule)
    notes: str = ""  # for the model card's limits

    def __post_init__(self) -> None:
        for wrong, why in self._faults():
            if wrong:
                raise ExperimentError(why)

    def _faults(self) -> Iterator[tuple[bool, str]]:
        """Checks of the values: whether a value is wrong, and the message for it."""
        for name, value in _numbers(self):
            yield not math.isfinite(value), f"{name} must be a finite number"
            yield value < 0 and name not in ("crops.centre", "normalisation[0]"), f"{name} must not be negative"
        yield not self.name, "name must not be empty: it is the id of the weights"
        yield not self.data, "there is no [[data]]: name at least one set of face crops"
        yield not self.stages, "there is no [[stages]]: say at which size and on how many images to train"
        for stage in self.stages:
            yield stage.batch < 2 or stage.batch % 2 == 1, "stages.batch must be even: batches are made of pairs"
            yield stage.images < stage.batch, "stages.images must be one batch or more"
        for data in self.data:
            yield data.share == 0, "data.share must be greater than 0"
            yield data.pseudo_fakes > 1, "data.pseudo_fakes must be from 0 to 1"
        yield from self._faults_of_crops()
        yield self.batch_norm not in ("trained", "frozen"), "batch_norm must be trained or frozen"
        yield (
            not self.init and (self.batch_norm == "frozen" or self.frozen_stages > 0),
            "batch_norm = 'frozen' and frozen_stages keep what init brings: name one",
        )
        yield self.precision not in ("auto", "bf16", "fp32"), "precision must be auto, bf16 or fp32"
        yield self.dropout >= 1, "dropout must be from 0 to under 1"
        yield self.degradation > STRONGEST, f"degradation must be from 0 to {STRONGEST:g}"
        yield self.covered > 1, "covered must be from 0 to 1"
        yield self.grey > 1, "grey must be from 0 to 1"
        yield self.fakes.neural > 0 and not self.autoencoders, "fakes.neural needs autoencoders: name their file"
        yield not any(asdict(self.fakes).values()), "fakes: at least one kind must have a share greater than 0"
        yield self.optimizer.label_smoothing >= 0.5, "optimizer.label_smoothing must be from 0 to under 0.5"
        yield self.optimizer.lr == 0, "optimizer.lr must be greater than 0"
        yield self.optimizer.clip_norm == 0, "optimizer.clip_norm must be greater than 0"
        yield bool(self.distillation.model) != bool(self.distillation.weights), "distillation needs model and weights"
        yield self.distillation.share > 1, "distillation.share must be from 0 to 1"
        yield self.distillation.temperature == 0, "distillation.temperature must be greater than 0"
        yield self.validation.every_images < 1, "validation.every_images must be 1 or more"
        yield self.validation.limit < 2, "validation.limit must be 2 or more"

    def _faults_of_crops(self) -> Iterator[tuple[bool, str]]:
        smallest, largest = self.crops.scale
        yield not 0 < smallest <= largest, "crops.scale must be two growing sides, in box heights"
        yield not smallest <= self.crops.side <= largest, "crops.side must lie in crops.scale: it is what is measured"
        yield self.crops.side > MAX_SIDE, f"crops.side must be {MAX_SIDE:g} box heights at the most"
        yield abs(self.crops.centre) > 1, "crops.centre must be from -1 to 1 box heights"
        yield self.normalisation[1] == 0, "normalisation: the standard deviation must be greater than 0"

    @property
    def images(self) -> int:
        """Number of images seen in the whole training."""
        return sum(stage.images // stage.batch * stage.batch for stage in self.stages)

    @property
    def digest(self) -> str:
        """Hash of all settings that affect the weights, without the data."""
        facts = asdict(self)
        for without_effect in ("question", "notes", "validation"):
            del facts[without_effect]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:  # noqa: ANN401 - a tree of dataclasses
    """Every number in an experiment, with its name in the file."""
    if dataclasses.is_dataclass(value):
        for one in dataclasses.fields(value):
            yield from _numbers(getattr(value, one.name), f"{name}.{one.name}" if name else one.name)
    elif isinstance(value, tuple):
        for place, item in enumerate(value):
            yield from _numbers(item, f"{name}[{place}]")
    elif isinstance(value, int | float):
        yield name, value


def read_experiment(path: Path) -> Experiment:
    """The experiment in a TOML file.

    Raises:
        ExperimentError: the file is missing or no TOML, a name is unknown, or a value is invalid.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ExperimentError(f"experiment {path} does not exist") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ExperimentError(f"experiment {path} cannot be read: {error}") from None
    try:
        experiment: Experiment = _value(Experiment, tree, where="")
    except ExperimentError as error:
        raise ExperimentError(f"experiment {path}: {error}") from None
    return experiment


def _value(kind: Any, given: Any, *, where: str) -> Any:  # noqa: ANN401 - a TOML tree against a tree of types
    """Convert ``given`` to ``kind``: a dataclass, a tuple of them, or a plain value."""
    if dataclasses.is_dataclass(kind):
        return _table(kind, given, where=where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        if not isinstance(given, list):
            raise ExperimentError(_expected(where, "a list", given))
        inner = [arguments[0]] * len(given) if arguments[-1] is Ellipsis else list(arguments)
        if len(inner) != len(given):
            raise ExperimentError(_expected(where, f"{len(inner)} values", given))
        return tuple(
            _value(one, item, where=f"{where}[{i}]") for i, (one, item) in enumerate(zip(inner, given, strict=True))
        )
    if kind is float and type(given) is int:
        return float(given)
    if type(given) is not kind:
        raise ExperimentError(_expected(where, kind.__name__, given))
    return given


def _table(kind: Any, given: Any, *, where: str) -> Any:  # noqa: ANN401 - as above
    if not isinstance(given, dict):
        raise ExperimentError(_expected(where, "a table", given))
    hints = typing.get_type_hints(kind)
    names = {one.name: one for one in dataclasses.fields(kind)}
    prefix = f"{where}." if where else ""
    for name in given:
        if name not in names:
            raise ExperimentError(f"there is no {prefix}{name}; known are {', '.join(names)}")
    for name, one in names.items():
        required = one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
        if required and name not in given:
            raise ExperimentError(f"{prefix}{name} is missing")
    return kind(**{name: _value(hints[name], item, where=f"{prefix}{name}") for name, item in given.items()})


def _expected(where: str, what: str, given: object) -> str:
    return f"{where or 'the file'} must be {what}, got {given!r}"
