"""Loss of accuracy under perturbations: compression, noise, blur, darkness, small faces.

Summarises a grid (``monitor.lab.evaluation.grids``), in which every cell ranks the same items. The intervals, also
those of the drops, resample whole groups for all cells at once. The *AUC of the judged* leaves out items without a
judgement. On videos, false alarms per hour of media time are counted, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from monitor.lab.evaluation.bootstrap import Estimate, estimate
from monitor.lab.evaluation.grids import CLEAN, CellScores, Doubles, Grid, Place, require_both
from monitor.lab.evaluation.metrics import ranking
from monitor.lab.evaluation.outcomes import TIED
from monitor.lab.evaluation.timelines import EventRate

MILD: Final = (1, 2)  # levels of everyday material


@dataclass(frozen=True, slots=True)
class Cell:
    """One perturbation at one level."""

    perturbation: str
    level: int  # 0: untouched
    auc: Estimate  # of all items; missing scores count as 0.5
    auc_judged: Estimate  # of the judged items
    drop: Estimate  # of ``auc``, compared with the unchanged items
    abstain_share: float
    false_alarms_per_hour: EventRate | None  # over genuine videos; None for crops


@dataclass(frozen=True, slots=True)
class Robustness:
    """Summary figures of a grid."""

    items: int
    fakes: int
    groups: int
    cells: tuple[Cell, ...]  # the unchanged one first
    mild_drop: Estimate  # mean over all cells of levels 1 and 2
    mean_drop: Estimate  # mean over all cells
    false_alarms_per_hour: EventRate | None  # over genuine videos, all cells together; None for crops
    failures: tuple[str, ...]

    @property
    def clean(self) -> Cell:
        """The cell of the unchanged items."""
        return self.cells[0]

    @property
    def worst(self) -> Cell:
        """The cell with the lowest AUC."""
        return min(self.cells, key=lambda cell: cell.auc.value if cell.auc.value is not None else 1.0)


def summarise(grid: Grid) -> Robustness:
    """Figures with 95 % intervals, from shared resamples of the groups.

    Raises:
        DatasetError: there are only fakes, or only reals: nothing can be ranked.
    """
    require_both(grid.labels.tolist())
    places = list(grid.cells)

    def statistics(weights: Doubles) -> dict[str, Doubles]:
        areas = {place: _auc(grid, place, weights) for place in places}
        drops = {place: areas[CLEAN] - areas[place] for place in places}
        means = {
            "mild": [drops[place] for place in places if place[1] in MILD],
            "mean": [drops[place] for place in places if place[1]],
        }
        nothing = [np.full(len(weights), np.nan)]
        return (
            {f"auc {place}": area for place, area in areas.items()}
            | {f"judged {place}": _auc(grid, place, weights, judged=True) for place in places}
            | {f"drop {place}": drop for place, drop in drops.items()}
            | {name: np.mean(found or nothing, axis=0) for name, found in means.items()}
        )

    estimates = estimate(statistics, labels=grid.labels, groups=grid.groups)
    cells = [
        Cell(
            perturbation=name,
            level=level,
            auc=estimates[f"auc {name, level}"],
            auc_judged=replace(estimates[f"judged {name, level}"], n=int((~judged.abstained).sum())),
            drop=estimates[f"drop {name, level}"],
            abstain_share=float(judged.abstained.mean()),
            false_alarms_per_hour=_false_alarms(grid, [judged]),
        )
        for (name, level), judged in grid.cells.items()
    ]
    return Robustness(
        items=len(grid.labels),
        fakes=int(grid.labels.sum()),
        groups=len(np.unique(grid.groups)),
        cells=tuple(cells),
        mild_drop=estimates["mild"],
        mean_drop=estimates["mean"],
        false_alarms_per_hour=_false_alarms(grid, list(grid.cells.values())),
        failures=grid.failures,
    )


def _false_alarms(grid: Grid, cells: Sequence[CellScores]) -> EventRate | None:
    watched = [cell.watched for cell in cells if cell.watched is not None]
    if not watched:
        return None
    genuine = grid.labels == 0
    hours = sum(float(one.seconds[genuine].sum()) for one in watched) / 3600
    return EventRate.of(sum(int(one.alarms[genuine].sum()) for one in watched), hours)


def _auc(grid: Grid, place: Place, weights: Doubles, *, judged: bool = False) -> Doubles:
    """(B,) AUC of all items, or of those judged in this cell."""
    cell = grid.cells[place]
    rows = ~cell.abstained if judged else np.ones(len(grid.labels), np.bool_)
    scores = np.where(np.isfinite(cell.scores), cell.scores, TIED)
    return ranking(grid.labels[rows], scores[rows], weights[:, rows])["auc"]
