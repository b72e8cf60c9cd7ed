"""The curves on a model card: ROC, reliability, scores, and the error rates of each preset.

The numbers are few and rounded: people read the card, and so do pages that work without the laboratory.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from sklearn.metrics import roc_curve

from monitor.errors import DatasetError
from monitor.lab.evaluation import metrics
from monitor.lab.evaluation.bootstrap import Estimate, estimate
from monitor.lab.evaluation.card_file import change_card
from monitor.lab.evaluation.outcomes import Columns, Outcome
from monitor.settings import PRESETS

POINTS: Final = 64  # of the ROC curve
BINS: Final = 20  # of P(fake)


def curves(outcomes: Sequence[Outcome], *, material: str) -> dict[str, Any]:
    """The curves as JSON values; rates and probabilities are 0..1.

    Args:
        outcomes: of crops, each decided by one score.
        material: name and split of the data.

    Raises:
        DatasetError: there is only one class.
    """
    columns = Columns.of(outcomes)
    scored = columns.ranked
    labels, units = columns.labels[scored], columns.units[scored]
    probabilities = columns.probabilities[scored]
    if len(set(labels.tolist())) < 2:
        raise DatasetError(f"{material}: curves need real and fake faces that were scored")
    edges = np.linspace(0, 1, BINS + 1)
    return {
        "material": material,
        "crops": len(labels),
        "groups": len(set(units.tolist())),
        "roc": _roc(labels, probabilities),
        "reliability": [
            {
                "low": _rounded(one.low),
                "high": _rounded(one.high),
                "count": one.count,
                "mean_probability": _rounded(one.mean_probability),
                "fake_share": _rounded(one.fake_share),
            }
            for one in metrics.reliability(labels, probabilities)
            if one.count
        ],
        "scores": {
            name: np.histogram(probabilities[labels == number], edges)[0].tolist()
            for name, number in (("real", 0), ("fake", 1))
        },
        "presets": {name.value: _consequences(labels, probabilities, units, at=at) for name, at in PRESETS.items()},
    }


def write_curves(weights: Path, facts: Mapping[str, Any], *, demo_logits: Mapping[int, Mapping[str, float]]) -> Path:
    """Write curves and the logits of the demo's two faces into the card beside the weights; keep the other fields.

    Args:
        weights: whose card is changed.
        facts: the result of :func:`curves`.
        demo_logits: by input size, fields of ``monitor.classifiers.model_card.DemoLogits``.

    Returns:
        Path of the card.

    Raises:
        ModelCardError: the card is invalid, or describes other weights.
        OutputError: it cannot be written.
    """

    def change(card: dict[str, Any]) -> None:
        card["curves"] = dict(facts)
        for place in (card, *card.get("profiles", ())):
            size = place["size"] if "size" in place else place["input"]["size"]
            place["demo_logits"] = dict(demo_logits[size])

    return change_card(weights, change)


def _roc(labels: metrics.Integers, probabilities: metrics.Doubles) -> list[dict[str, float | None]]:
    """Points evenly spaced along the curve, from the threshold that accuses no face to the one that accuses all."""
    alarms, hits, thresholds = roc_curve(labels, probabilities, drop_intermediate=False)
    length = hits + alarms
    wanted = np.linspace(0, length[-1], POINTS)
    rows = np.unique(np.searchsorted(length, wanted).clip(0, len(length) - 1))
    thresholds = np.minimum(thresholds, 1.0)
    return [
        {"at": _rounded(thresholds[row]), "false_alarms": _rounded(alarms[row]), "found": _rounded(hits[row])}
        for row in rows
    ]


def _consequences(
    labels: metrics.Integers, probabilities: metrics.Doubles, units: metrics.Integers, *, at: Mapping[str, float]
) -> dict[str, Any]:
    """Error rates of a preset's thresholds on single scores."""
    suspected, likely = probabilities >= at["suspicious_at"], probabilities >= at["fake_at"]
    undecided = ~suspected & (probabilities > at["real_at"])

    def shares(weights: metrics.Doubles) -> dict[str, metrics.Doubles]:
        fakes, reals = weights * (labels == 1), weights * (labels == 0)
        counted = {
            "fakes_found": (fakes, suspected),
            "real_accused": (reals, suspected),
            "real_likely_fake": (reals, likely),
            "undecided": (weights, undecided),
        }
        return {name: (of @ rows) / of.sum(axis=1) for name, (of, rows) in counted.items()}

    found = estimate(shares, labels=labels, groups=units)
    return {**at, **{name: _with_interval(one) for name, one in found.items()}}


def _with_interval(one: Estimate) -> dict[str, Any]:
    return {"value": _rounded(one.value), "ci95": [_rounded(one.low), _rounded(one.high)]}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)
