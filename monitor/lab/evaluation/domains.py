"""AUC by generator and by source of footage: where the classifier works, and where it is no better than chance.

A generator's domain is its fake clips against all genuine clips. A source's domain is its genuine clips against all
fake clips. A clip's score is the mean calibrated log-odds of its crops.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from monitor.classifiers.model_card import Domain
from monitor.errors import DatasetError
from monitor.lab.evaluation import metrics
from monitor.lab.evaluation.bootstrap import Estimate, estimate
from monitor.lab.evaluation.card_file import change_card
from monitor.lab.evaluation.outcomes import Outcome, numbered

_FRAME: Final = re.compile(r"-\d{5,}$")  # the frame number in a prepared crop's name
_EDGE: Final = 1e-6  # probabilities stay this far from 0 and 1
_KINDS: Final[tuple[tuple[Literal["generator", "footage"], int], ...]] = (("generator", 1), ("footage", 0))


@dataclass(frozen=True, slots=True)
class _Clip:
    label: int
    domain: str  # the generator, or the source of the footage
    group: str
    log_odds: float


def domains_of(outcomes: Sequence[Outcome], *, material: str) -> tuple[Domain, ...]:
    """The AUC of all clips, then of each generator, then of each source; 95 % intervals resample groups.

    The source of a genuine crop is the folder of its clip, since prepared crops are named ``folder__clip-frame``.
    Without a folder, or without a generator's name, the domain is the data set.

    Args:
        outcomes: of prepared crops; crops without a probability are left out.
        material: name and split of the data.

    Raises:
        DatasetError: there is only one class.
    """
    clips = _clips(outcomes)
    if len({clip.label for clip in clips}) < 2:
        raise DatasetError(f"{material}: the AUC needs real and fake faces that were scored")
    found = [_domain("all", "all", own=clips, others=[], material=material)]
    for kind, label in _KINDS:
        others = [clip for clip in clips if clip.label != label]
        for name in sorted({clip.domain for clip in clips if clip.label == label}):
            own = [clip for clip in clips if clip.label == label and clip.domain == name]
            found.append(_domain(kind, name, own=own, others=others, material=material))
    return tuple(found)


def write_domains(weights: Path, domains: Sequence[Domain]) -> Path:
    """Write the domains into the card beside the weights; keep the other fields and the domains of other material.

    Returns:
        Path of the card.

    Raises:
        ModelCardError: the card is invalid, or describes other weights.
        OutputError: it cannot be written.
    """
    measured = {domain.material for domain in domains}

    def change(card: dict[str, Any]) -> None:
        kept = [domain for domain in card.get("domains", ()) if domain["material"] not in measured]
        card["domains"] = [*kept, *(domain.model_dump(mode="json") for domain in domains)]

    return change_card(weights, change)


def _clips(outcomes: Sequence[Outcome]) -> list[_Clip]:
    crops: dict[tuple[str, str, int], list[Outcome]] = {}
    for one in outcomes:
        if one.probability is not None:
            clip = _FRAME.sub("", one.id)
            crops.setdefault((one.dataset, clip, one.label), []).append(one)
    return [
        _Clip(
            label=label,
            domain=(members[0].method if label else _folder(clip)) or dataset,
            group=members[0].unit,
            log_odds=float(np.mean([_log_odds(one.probability or 0.0) for one in members])),
        )
        for (dataset, clip, label), members in crops.items()
    ]


def _folder(clip: str) -> str:
    return (["", *clip.split("__")])[-2]


def _log_odds(probability: float) -> float:
    inside = min(max(probability, _EDGE), 1 - _EDGE)
    return math.log(inside / (1 - inside))


def _domain(
    kind: Literal["all", "generator", "footage"],
    name: str,
    *,
    own: Sequence[_Clip],
    others: Sequence[_Clip],
    material: str,
) -> Domain:
    auc = _auc([*own, *others])
    interval = None if auc.low is None or auc.high is None else (round(auc.low, 3), round(auc.high, 3))
    return Domain(
        material=material,
        kind=kind,
        name=name,
        clips=len(own),
        groups=len({clip.group for clip in own}),
        auc=round(auc.value or 0.0, 3),
        ci95=interval,
    )


def _auc(clips: Sequence[_Clip]) -> Estimate:
    labels = np.array([clip.label for clip in clips], np.int64)
    scores = np.array([clip.log_odds for clip in clips])
    return estimate(
        lambda weights: {"auc": metrics.ranking(labels, scores, weights)["auc"]},
        labels=labels,
        groups=numbered([clip.group for clip in clips]),
    )["auc"]
