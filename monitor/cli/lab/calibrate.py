"""``deepfake-monitor lab calibrate``: fit the calibration of a classifier, and write it to its card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from monitor.analysis.pipeline import Engines
from monitor.cli.options import Backend, Model, Set, SettingsFile, load_engines, settings_from
from monitor.cli.terminal import console, errors, print_table
from monitor.errors import UsageError
from monitor.settings import Settings
from monitor.types import Calibration

if TYPE_CHECKING:
    from monitor.lab.evaluation.bootstrap import Estimate
    from monitor.lab.evaluation.recalibration import LabelledScores

_INDEX = "index.csv"
_WIDTH = 110  # characters, minimum width of the table

Weights = Annotated[Path, typer.Option(metavar="FILE", help="The weights, their card beside them.")]
InPlace = Annotated[bool, typer.Option("--in-place", help="Replace the card beside the weights; nothing is copied.")]


def calibrate(
    source: Annotated[Path, typer.Argument(help="A folder of face shards, or of feedback (feedback.csv).")],
    weights: Weights,
    out: Annotated[Path | None, typer.Option(help="Folder for a copy of the weights and the new card.")] = None,
    in_place: InPlace = False,  # noqa: FBT002 - a flag
    size: Annotated[
        int | None,
        typer.Option(min=75, max=1024, help="Side of the crops, pixels; another than the card's becomes a profile."),
    ] = None,
    split: Annotated[str, typer.Option(help="Of the shards; not the one that figures are reported on.")] = "val",
    model: Model = None,
    backend: Backend = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Fit Platt scaling on single scores, and show its effect.

    "After" is out of fold: each fifth of the groups is evaluated with a fit on the others. The card gets the fit on
    all groups.
    """
    from monitor.lab.evaluation.platt import fit_platt
    from monitor.lab.evaluation.recalibration import CalibrationFit, measured, out_of_fold, publish
    from monitor.types import Calibration

    if (out is None) != in_place:
        raise UsageError("say where the new card goes: --out FOLDER for a copy of the weights, or --in-place")
    settings = settings_from(settings_file, assignments, backend=backend, model=model, weights=weights)
    engines = load_engines(settings, input_size=size)
    sample = _scored(source, split, engines=engines, settings=settings)
    card, at = engines.classifier.card, settings.verdict.suspicious_at
    scale, shift = fit_platt(sample.logits, sample.labels)
    after = Calibration(scale=scale, shift=shift)
    log_odds = {
        "before": card.calibration.scale * sample.logits + card.calibration.shift,
        "after": out_of_fold(sample),
    }
    figures = {name: measured(values, sample, at=at) for name, values in log_odds.items()}
    fit = CalibrationFit(after, engines.classifier.input_size, figures=figures, sample=sample)
    path = publish(weights, fit, folder=out)
    _show(figures, {"before": card.calibration, "after": after}, sample=sample, at=at)
    console.print(f"{escape(str(path))}: the new card")


def _scored(source: Path, split: str, *, engines: Engines, settings: Settings) -> LabelledScores:
    from monitor.lab.datasets.faceset import FaceSet
    from monitor.lab.evaluation.recalibration import of_crops, of_feedback

    if not (source / _INDEX).is_file():
        with errors.status("scoring the flagged faces"):
            return of_feedback(source, engines=engines, settings=settings)
    faces = FaceSet.open(source, splits={split})
    with Progress(console=errors, transient=True) as progress:
        task = progress.add_task("crops", total=len(faces))
        return of_crops(faces, engines=engines, settings=settings, on_done=lambda done: progress.advance(task, done))


def _show(
    figures: dict[str, dict[str, Estimate]], used: dict[str, Calibration], *, sample: LabelledScores, at: float
) -> None:
    from monitor.lab.evaluation.plots import in_words
    from monitor.lab.evaluation.recalibration import MEASURES

    table = Table("", "scale", "shift", "ECE", "Brier", "NLL", f"accuracy at P >= {at:g}", box=None, pad_edge=False)
    table.width = max(console.width, _WIDTH)
    for name, calibration in used.items():
        values = [in_words(figures[name][measure]) for measure in MEASURES]
        table.add_row(name, f"{calibration.scale:.3f}", f"{calibration.shift:+.3f}", *values)
    print_table(table)
    fakes = int(sample.labels.sum())
    for failure in sample.failures:
        errors.print(f"[yellow]left out:[/] {escape(failure)}")
    left = f", {sample.left_out} without a usable face left out" if sample.left_out else ""
    left += f", {len(sample.failures)} that cannot be read left out" if sample.failures else ""
    groups = len(set(sample.groups.tolist()))
    console.print(
        f"{escape(sample.material)}: {fakes} fake and {len(sample.labels) - fakes} real faces{left}; "
        f"95 % intervals resample {groups} groups; after = out of fold",
        style="dim",
    )
