"""Fits the fusion of several classifiers on labelled crops of several sets, and writes the committee's card.

The fit is a logistic regression of the label on the members' calibrated log-odds, with weights that are not negative.
Each class of each set has the same total weight, so that a large set does not decide alone. The effect is measured
out of fold: each group is scored by a fit without that group.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from monitor.analysis.scores import Scorer
from monitor.classifiers.committee import CommitteeCard, CommitteeMember
from monitor.classifiers.fusion import Fusion
from monitor.errors import DatasetError, UsageError
from monitor.lab.datasets.faceset import FaceSet
from monitor.lab.evaluation.crops import CropScorer
from monitor.lab.evaluation.metrics import Doubles, Integers
from monitor.lab.evaluation.outcomes import numbered
from monitor.system.files import write_whole

_BATCH: Final = 32
_FOLDS: Final = 5
_LIMITS: Final = (
    "The members' limits hold for the committee, too. The weights were fitted on the sets named in fitted_on; other "
    "generators and cameras may need other weights."
)


@dataclass(frozen=True, slots=True, eq=False)
class CommitteeScores:
    """The members' scores of the crops of all sets."""

    log_odds: Doubles  # (K, N) calibrated, of the K members
    labels: Integers  # (N,) 1 fake, 0 real
    groups: Integers  # (N,)
    sets: Integers  # (N,) index of the set
    names: tuple[str, ...]  # of the sets


def score_sets(
    scorers: Sequence[Scorer], sets: Sequence[FaceSet], *, on_done: Callable[[int], None] = lambda _: None
) -> CommitteeScores:
    """Every member's scores of every readable crop.

    Args:
        scorers: of the members.
        sets: prepared crops, wide enough for each member; a split without reported figures.
        on_done: called with the number of crops just finished.

    Raises:
        DatasetError: a set holds one class only, or its crops are too narrow for a member.
        EngineError: an engine failed.
    """
    columns, labels, groups, origins = [], [], [], []
    for number, faces in enumerate(sets):
        croppers = [CropScorer(scorer, faces) for scorer in scorers]
        for start in range(0, len(faces), _BATCH):
            rows = [row for row in range(start, min(start + _BATCH, len(faces))) if _is_readable(croppers[0], row)]
            pictures = [croppers[0].stored(row) for row in rows]
            columns.append(np.array([cropper.log_odds(cropper.logits(pictures)) for cropper in croppers]))
            labels += [faces.rows[row].label for row in rows]
            groups += [f"{number}/{faces.rows[row].group or faces.rows[row].name}" for row in rows]
            origins += [number] * len(rows)
            on_done(min(_BATCH, len(faces) - start))
    log_odds = np.concatenate(columns, axis=1)
    usable = np.isfinite(log_odds).all(axis=0)
    found = CommitteeScores(
        log_odds[:, usable],
        np.array(labels, np.int64)[usable],
        numbered(groups)[usable],
        np.array(origins, np.int64)[usable],
        tuple(faces.folder.resolve().name for faces in sets),
    )
    for number, name in enumerate(found.names):
        if len(np.unique(found.labels[found.sets == number])) < 2:
            raise DatasetError(f"{name}: a committee is fitted on real and fake faces, this split holds one class only")
    return found


def fit_fusion(scores: CommitteeScores, *, rows: NDArray[np.bool_] | None = None) -> Fusion:
    """The weights (>= 0) and the bias with the highest likelihood.

    Args:
        scores: of the members.
        rows: (N,) those that the fit uses; default: all.
    """
    chosen = np.ones(len(scores.labels), np.bool_) if rows is None else rows
    x, labels = scores.log_odds[:, chosen], scores.labels[chosen]
    weights = _balance(labels, scores.sets[chosen])

    def loss(parameters: Doubles) -> tuple[float, Doubles]:
        logits = parameters[:-1] @ x + parameters[-1]
        errors = weights * (expit(logits) - labels)
        value = float(weights @ (np.logaddexp(0, logits) - labels * logits))
        return value, np.append(x @ errors, errors.sum())

    members = len(x)
    begin = np.append(np.full(members, 1 / members), 0.0)
    bounds = [(0.0, None)] * members + [(None, None)]
    found = minimize(loss, begin, jac=True, bounds=bounds, method="L-BFGS-B").x
    return Fusion(weights=tuple(found[:-1].tolist()), bias=float(found[-1]))


def measure_auc(scores: CommitteeScores) -> dict[str, dict[str, float]]:
    """AUC by set: of each member, and of the fusion out of fold (five folds of groups)."""
    folds = np.random.default_rng(0).permutation(int(scores.groups.max()) + 1)[scores.groups] % _FOLDS
    fused = np.empty(len(scores.labels))
    for fold in range(_FOLDS):
        held = folds == fold
        fused[held] = fit_fusion(scores, rows=~held).combine(scores.log_odds[:, held].astype(np.float32))[0]
    figures = {}
    for number, name in enumerate(scores.names):
        rows = scores.sets == number
        columns = {f"member {k + 1}": scores.log_odds[k, rows] for k in range(len(scores.log_odds))}
        columns["fused, out of fold"] = fused[rows]
        figures[name] = {
            column: round(float(roc_auc_score(scores.labels[rows], values)), 4) for column, values in columns.items()
        }
    return figures


def write_card(
    path: Path,
    fusion: Fusion,
    *,
    models: Sequence[str],
    scorers: Sequence[Scorer],
    fitted_on: str,
    figures: Mapping[str, Any],
    max_difference: float | None,
    intervals: Mapping[str, float],
) -> CommitteeCard:
    """Write the card of a committee, whose name is the file's.

    Args:
        path: of the card; must not exist.
        fusion: the fitted weights, in the order of ``models``.
        models: names in the registry.
        scorers: of the same classifiers.
        fitted_on: the sets and the split.
        figures: for the card's metrics.
        max_difference: see ``Fusion``; None: no limit.
        intervals: minimum seconds between two scores of a face, by model; a missing one is 0.

    Raises:
        UsageError: there is a file of that name.
        OutputError: it cannot be written.
    """
    if path.exists():
        raise UsageError(f"{path} exists already: choose another --out")
    members = tuple(
        CommitteeMember(
            model=model,
            weights_sha256=scorer.classifier.card.weights_sha256,
            weight=round(weight, 6),
            min_score_interval=intervals.get(model, 0.0),
        )
        for model, scorer, weight in zip(models, scorers, fusion.weights, strict=True)
    )
    card = CommitteeCard(
        id=path.stem,
        members=members,
        bias=round(fusion.bias, 6),
        max_difference=max_difference,
        fitted_on=fitted_on,
        metrics={"auc": figures},
        limits=_LIMITS,
    )
    write_whole(path, json.dumps(card.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n")
    return card


def _balance(labels: Integers, sets: Integers) -> Doubles:
    """(N,) weights: each class of each set has the same sum, all together 1."""
    _, cells, counts = np.unique(2 * sets + labels, return_inverse=True, return_counts=True)
    weights: Doubles = 1.0 / (counts[cells] * len(counts))
    return weights


def _is_readable(cropper: CropScorer, row: int) -> bool:
    try:
        cropper.stored(row)
    except DatasetError:
        return False
    return True
