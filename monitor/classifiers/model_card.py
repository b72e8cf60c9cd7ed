"""The model card: identity, input format and calibration of one set of weights.

A card is beside its weights (``<name>.json`` beside ``<name>.safetensors``) and names their hash.
"""

import hashlib
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from monitor.errors import ModelCardError
from monitor.settings.sentences import describe
from monitor.types import Calibration, ScoreProcess

CHANCE: Final = 0.5  # AUC of a coin
MIN_DOMAIN_GROUPS: Final = 5  # fewer independent clips support no statement about a domain


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class InputFormat(_Facts):
    """The input of the training: ``(x - mean) / std`` of an RGB crop, resized by area."""

    size: int = Field(ge=75, le=1024)  # pixels, width and height
    channels: Literal["RGB"]
    mean: float
    std: float = Field(gt=0)
    resize: Literal["area"]


class CropPolicy(_Facts):
    """The square around a face; lengths are in heights of the detector's box."""

    side_over_box_height: float = Field(gt=0, le=4)
    centre_below_box_centre_over_box_height: float = Field(ge=-1, le=1)


@dataclass(frozen=True, slots=True)
class PlattCalibration(Calibration):
    """Platt scaling with the name of its data."""

    kind: Literal["platt"] = "platt"
    fitted_on: str = ""


def _check_increasing(calibration: PlattCalibration) -> PlattCalibration:
    if not (math.isfinite(calibration.shift) and 0 < calibration.scale < math.inf):
        raise ValueError("scale must be > 0, and both scale and shift finite")
    return calibration


def _check_fields(process: object) -> object:
    if isinstance(process, dict) and (unknown := process.keys() - {field.name for field in fields(ScoreProcess)}):
        raise ValueError(f"unknown field {min(unknown)}")
    return process


class DemoLogits(_Facts):
    """The logits of the demo's two faces at the time of the card, for the self-test of an engine."""

    genuine: float
    blended: float


class Profile(_Facts):
    """Calibration of the same weights at another input size."""

    size: int = Field(ge=75, le=1024)  # pixels, width and height
    calibration: Annotated[PlattCalibration, AfterValidator(_check_increasing)]
    metrics: dict[str, Any] = Field(default_factory=dict)
    demo_logits: DemoLogits | None = None


class Domain(_Facts):
    """The AUC by clip on one generator's fakes, or on one source of genuine footage."""

    material: str  # data set and split
    kind: Literal["all", "generator", "footage"]
    name: str
    clips: int = Field(ge=1)
    groups: int = Field(ge=1)  # clips of one original count as one
    auc: float = Field(ge=0, le=1)
    ci95: tuple[float, float] | None  # None: it cannot be given

    @property
    def finding(self) -> str:
        """Whether the classifier ranks this domain better than a coin, in words."""
        if self.groups < MIN_DOMAIN_GROUPS or self.ci95 is None:
            return "too few clips to tell"
        low, high = self.ci95
        if low > CHANCE:
            return "better than chance"
        return "worse than chance" if high < CHANCE else "no better than chance"

    @property
    def is_blind(self) -> bool:
        """Whether there are enough clips, and the AUC is not shown to be above chance."""
        return self.finding.endswith(("no better than chance", "worse than chance"))


class ModelCard(_Facts):
    """The description of one set of weights. Unknown fields are kept, so that reports can show them."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(min_length=1)
    architecture: str
    weights_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    dtype: Literal["float16", "float32"]  # of the file; the network computes in fp32
    output: Literal["one logit, positive = fake"]
    input: InputFormat
    crop: CropPolicy
    calibration: Annotated[PlattCalibration, AfterValidator(_check_increasing)]
    training: dict[str, Any]
    metrics: dict[str, Any]
    limits: str
    licence: str
    profiles: tuple[Profile, ...] = ()  # calibrations for other input sizes
    score_process: Annotated[ScoreProcess, BeforeValidator(_check_fields)] = ScoreProcess()  # the same at all sizes
    demo_logits: DemoLogits | None = None  # None: not recorded
    domains: tuple[Domain, ...] = ()  # accuracy by generator and by source of footage

    @property
    def sizes(self) -> tuple[int, ...]:
        """The calibrated input sizes, the default one first; pixels."""
        return (self.input.size, *(profile.size for profile in self.profiles))

    def at(self, size: int) -> "ModelCard":
        """The card with the calibration for another input size.

        Raises:
            ModelCardError: the card has no calibration for this size.
        """
        if size == self.input.size:
            return self
        for profile in self.profiles:
            if profile.size == size:
                resized = self.input.model_copy(update={"size": size})
                changes = {name: getattr(profile, name) for name in ("calibration", "metrics", "demo_logits")}
                return self.model_copy(update=changes | {"input": resized, "profiles": ()})
        raise ModelCardError(
            f"weights {self.id} are calibrated for {' or '.join(map(str, self.sizes))} pixels, not for {size}: "
            f"choose one of these, or fit them with lab calibrate --size {size}"
        )


def read_card(path: Path, *, weights: Path) -> ModelCard:
    """Read the card at ``path`` and check that it describes ``weights``.

    Raises:
        ModelCardError: the card is missing or malformed, or the weights have another SHA-256.
    """
    try:
        card = ModelCard.model_validate_json(path.read_bytes())
        with weights.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise ModelCardError(
            f"{error.filename} is missing: weights are used only with their model card, {path.name}"
        ) from None
    except OSError as error:
        raise ModelCardError(f"{error.filename} cannot be read: {error.strerror or error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ModelCardError(f"model card {path} is malformed at {where}: {describe(first)}") from None
    if found != card.weights_sha256:
        raise ModelCardError(
            f"model card {path} describes other weights (SHA-256 {card.weights_sha256[:12]}...) than {weights} "
            f"({found[:12]}...): the file is damaged or replaced, fetch the pair again"
        )
    return card
