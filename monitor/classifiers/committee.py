"""Committees: several classifiers with a card for the fusion of their scores."""

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from monitor.classifiers import Classifier, available_models, engines_dir, load_classifier
from monitor.classifiers.fusion import ALONE, Fusion
from monitor.errors import ModelCardError, UsageError
from monitor.settings.sentences import describe


class CommitteeMember(BaseModel):
    """One classifier with the hash of its weights at the time of the fit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str  # name in the registry
    weights_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    weight: float = Field(ge=0, allow_inf_nan=False)  # weight of its calibrated log-odds
    # minimum time between two scores of one face, seconds of media time; in between its last score holds
    min_score_interval: float = Field(0.0, ge=0, allow_inf_nan=False)


class CommitteeCard(BaseModel):
    """The fitted fusion of two classifiers or more: ``engines/<name>.json``, without a weights file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    members: Annotated[tuple[CommitteeMember, ...], Field(min_length=2)]
    bias: float = Field(0.0, allow_inf_nan=False)
    max_difference: float | None = Field(None, gt=0)  # largest difference between two members, log-odds; None: no limit
    fitted_on: str
    metrics: dict[str, Any] = Field(default_factory=dict)
    limits: str

    @property
    def fusion(self) -> Fusion:
        """The fusion of the members' scores."""
        return Fusion(
            weights=tuple(member.weight for member in self.members),
            bias=self.bias,
            max_difference=self.max_difference or math.inf,
        )


@dataclass(frozen=True, slots=True)
class Committee:
    """One classifier or more with the fusion of their scores."""

    classifiers: tuple[Classifier, ...]  # in the order of the fusion's weights
    fusion: Fusion = ALONE
    card: CommitteeCard | None = None  # None: a single classifier

    @property
    def id(self) -> str:
        """Name on the card of the committee or of its only classifier."""
        return self.card.id if self.card else self.classifiers[0].card.id

    @property
    def ids(self) -> tuple[str, ...]:
        """The classifiers' ids on their cards."""
        return tuple(classifier.card.id for classifier in self.classifiers)

    @property
    def score_intervals(self) -> tuple[float, ...]:
        """For each classifier, the minimum time between two scores of one face, seconds of media time."""
        return tuple(member.min_score_interval for member in self.card.members) if self.card else (0.0,)

    @property
    def weights_sha256(self) -> str:
        """The hash of the weights file; of a committee, of its members' hashes and fitted weights."""
        if self.card is None:
            return self.classifiers[0].card.weights_sha256
        fitted = self.card.model_dump_json(include={"members", "bias", "max_difference"})
        return hashlib.sha256(fitted.encode()).hexdigest()


def load_committee(name: str | None = None, *, weights: Path | None = None, input_size: int | None = None) -> Committee:
    """The classifier ``name``, or the committee of that name in ``engines_dir()``.

    Args:
        name: as for ``load_classifier``, or of a committee's card.
        weights: as for ``load_classifier``; invalid for a committee, whose card names the weights.
        input_size: as for ``load_classifier``; for a committee, the size of each member.

    Raises:
        UsageError: the name is unknown, or a classifier does not support that input size.
        WeightsMissingError: the weights of a classifier are missing.
        ModelCardError: a card is missing or malformed, or describes other weights.
    """
    path = engines_dir() / f"{name}.json"
    if name is None or name in available_models() or not path.is_file():
        return Committee((load_classifier(name, weights=weights, input_size=input_size),))
    if weights is not None:
        raise UsageError(
            f"{name} is a committee, whose card names the weights of each member: leave classifier.weights empty"
        )
    card = _read_card(path)
    classifiers = tuple(load_classifier(member.model, input_size=input_size) for member in card.members)
    for member, classifier in zip(card.members, classifiers, strict=True):
        if classifier.card.weights_sha256 != member.weights_sha256:
            raise ModelCardError(
                f"the committee {name} was fitted with other weights of {member.model} (SHA-256 "
                f"{member.weights_sha256[:12]}...) than those in {engines_dir()} "
                f"({classifier.card.weights_sha256[:12]}...): fit it again with lab committee"
            )
    return Committee(classifiers, card.fusion, card)


def _read_card(path: Path) -> CommitteeCard:
    try:
        return CommitteeCard.model_validate(json.loads(path.read_bytes()))
    except OSError as error:
        raise ModelCardError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ModelCardError(f"committee card {path} is malformed at {where}: {describe(first)}") from None
    except ValueError as error:
        raise ModelCardError(f"committee card {path} is not valid JSON: {error}") from None
