"""``deepfake-monitor lab robustness``: a classifier under compression, noise, blur, darkness and small faces."""

from __future__ import annotations

import base64
import csv
import html
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.markup import escape
from rich.progress import Progress

from monitor.analysis.pipeline import Engines
from monitor.cli.options import Backend, Model, Set, SettingsFile, Weights, load_engines, settings_from
from monitor.cli.terminal import console, errors
from monitor.errors import UsageError
from monitor.results.result_folder import OutputFolder
from monitor.settings import Settings
from monitor.system.files import write_error
from monitor.types.formatting import share

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from monitor.lab.datasets.faceset import FaceRow, FaceSet
    from monitor.lab.datasets.record import Record
    from monitor.lab.evaluation.grids import Grid, PerturbFunction
    from monitor.lab.evaluation.robustness import Robustness
    from monitor.lab.evaluation.timelines import EventRate

_INDEX = "index.csv"
_LEVELS = 5
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Robustness of {model}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ overflow-wrap: anywhere; }}
img {{ width: 100%; min-width: 44rem; background: #fff; }}
div {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .2rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #8886; }}
th:first-child, td:first-child {{ text-align: left; }}
</style>
<h1>Robustness of {model}</h1>
<p>{summary}</p>
<p>{caption}</p>
<div><img alt="AUC and share not judged per cell; the table below has the same numbers" src="{image}"></div>
<div><table><tr><th>perturbation<th>level<th>AUC<th>95 % interval<th>drop<th>AUC of the judged<th>not judged\
<th>false alarms an hour</tr>
{rows}
</table></div></html>
"""


def robustness(
    source: Annotated[Path, typer.Argument(help="A folder of shards, a manifest.csv, or a data set (--dataset).")],
    out: Annotated[Path, typer.Option(help="A new folder for robustness.json, .csv, .png and .html.")],
    dataset: Annotated[str, typer.Option(help="The data set's reader, where it is no manifest.")] = "manifest",
    split: Annotated[str, typer.Option(help="Of the material; files without a split are taken, too.")] = "val",
    limit: Annotated[int | None, typer.Option(min=2, help="At most so many items.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="A perturbation; may be repeated. Default: all.")] = None,
    up_to: Annotated[int, typer.Option(min=1, max=_LEVELS, help="The highest level.")] = _LEVELS,
    seconds: Annotated[float, typer.Option(min=0.5, help="Of media time analysed of each video.")] = 8.0,
    model: Model = None,
    weights: Weights = None,
    backend: Backend = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Measure AUC, its drop and the abstentions for every perturbation at five levels.

    For videos, also measure the false alarms per hour over the genuine ones.
    """
    from monitor.lab.evaluation.robustness import summarise

    settings = settings_from(settings_file, assignments, backend=backend, model=model, weights=weights)
    perturbations, levels = _chosen(only), range(1, up_to + 1)
    OutputFolder(out.parent, out.name).abort()  # fail before the work if nothing can be written
    items, taken = _material(source, dataset=dataset, split=split, limit=limit)
    engines = load_engines(settings)
    grid = _measured(
        items, engines=engines, settings=settings, perturbations=perturbations, levels=levels, seconds=seconds
    )
    found = summarise(grid)
    facts = {
        "model": engines.classifier.card.id,
        "weights_sha256": engines.classifier.card.weights_sha256,
        "engine": engines.scorer.engine.name,
        "material": f"{source.resolve().name}, {taken}",
        "split": taken,
        "limit": limit,
        "seconds": seconds if isinstance(items, list) else None,
        "settings": settings.record(),
    }
    with OutputFolder(out.parent, out.name) as folder:
        try:
            _write(found, folder.working, facts=facts)
        except OSError as error:
            raise write_error(folder.working, error) from error
    console.print(escape(_summary(found)))
    for failure in found.failures:
        errors.print(f"[yellow]left out:[/] {escape(failure)}")
    console.print(f"{escape(str(folder.target))}: robustness.json, robustness.csv, robustness.png, robustness.html")


def _material(source: Path, *, dataset: str, split: str, limit: int | None) -> tuple[FaceSet | list[Record], str]:
    """Crops or records of both classes, and a description of their splits."""
    from monitor.lab.evaluation.grids import require_both, spread, spread_records

    items: FaceSet | list[Record]
    if (source / _INDEX).is_file():
        from monitor.lab.datasets.faceset import FaceSet

        items = spread(FaceSet.open(source, splits={split}), limit)
        rows: Sequence[FaceRow | Record] = items.rows
    else:
        from monitor.lab.datasets import read

        records = [record for record in read(dataset, source) if record.split in ("", split)]
        rows = items = spread_records(records, limit)
    require_both([row.label for row in rows])
    splits = sorted({row.split for row in rows})
    return items, "no splits" if splits == [""] else f"split {'+'.join(one or 'none' for one in splits)}"


def _chosen(only: list[str] | None) -> dict[str, PerturbFunction]:
    from monitor.lab.fakes.perturbations import PERTURBATIONS

    unknown = [name for name in only or () if name not in PERTURBATIONS]
    if unknown:
        raise UsageError(f"there is no perturbation {unknown[0]!r}: choose from {', '.join(PERTURBATIONS)}")
    return {name: one for name, one in PERTURBATIONS.items() if not only or name in only}


def _measured(
    items: FaceSet | list[Record],
    *,
    engines: Engines,
    settings: Settings,
    perturbations: dict[str, PerturbFunction],
    levels: Sequence[int],
    seconds: float,
) -> Grid:
    from monitor.lab.evaluation.grids import crop_grid, video_grid

    rounds = 1 + len(levels) * len(perturbations)
    if isinstance(items, list):
        name, rounds, measure = "files", rounds * len(items), partial(video_grid, items, seconds=seconds)
    else:
        name, measure = "crops", partial(crop_grid, items)
    with Progress(console=errors, transient=True) as progress:
        task = progress.add_task(f"{len(items)} {name}", total=rounds)
        return measure(
            engines=engines,
            settings=settings,
            perturbations=perturbations,
            levels=levels,
            on_done=lambda: progress.advance(task),
        )


def _summary(found: Robustness) -> str:
    from monitor.lab.evaluation.plots import in_words

    worst = found.worst
    where = f"{worst.perturbation} at level {worst.level}" if worst.level else "the untouched material itself"
    alarms = found.false_alarms_per_hour
    said = "" if alarms is None else f" {per_hour(alarms)}."
    return (
        f"AUC {in_words(found.clean.auc)} untouched; it drops by {in_words(found.mild_drop)} on average at levels 1 "
        f"and 2, by {in_words(found.mean_drop)} over all levels; worst: {where}, AUC {in_words(worst.auc)}. "
        f"{share(found.clean.abstain_share)} are not judged untouched, {share(worst.abstain_share)} in the worst "
        f"cell.{said}"
    )


def per_hour(alarms: EventRate) -> str:
    """A rate of false alarms as text."""
    minutes = 60 * alarms.time
    if alarms.value is None:
        return "no genuine footage was watched, so there is no rate of false alarms"
    return (
        f"{alarms.events} false alarms in {minutes:.1f} minutes of genuine footage over all cells: "
        f"{alarms.value:.1f} [{alarms.low:.1f}, {alarms.high:.1f}] per hour"
    )


def _write(found: Robustness, folder: Path, *, facts: dict[str, Any]) -> None:
    model, material = facts["model"], facts["material"]
    left = f" {len(found.failures)} more could not be read and are in no cell." if found.failures else ""
    caption = (
        f"{material}: {found.fakes} fake and {found.items - found.fakes} real items in {found.groups} groups, which "
        "the 95 % intervals resample, for all cells at once. Every cell ranks the same items; those without a usable "
        f"face tie at P(fake) = 0.5.{left}"
    )
    record = {"version": 1, **facts, **asdict(found), "worst": asdict(found.worst)}
    (folder / "robustness.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    rows = [_row(cell) for cell in record["cells"]]
    with (folder / "robustness.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    picture = io.BytesIO()
    heat_map(found, title=f"{model} on {material}").savefig(picture, format="png", dpi=130)
    (folder / "robustness.png").write_bytes(picture.getvalue())
    image = "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode("ascii")
    page = _PAGE.format(
        model=html.escape(model),
        summary=html.escape(_summary(found)),
        caption=html.escape(caption),
        image=image,
        rows="\n".join(_table_row(row) for row in rows),
    )
    (folder / "robustness.html").write_text(page, encoding="utf-8")


def heat_map(found: Robustness, *, title: str) -> Figure:
    """AUC and abstentions of every cell as numbers, in colours that are safe for colour-blind readers."""
    import numpy as np
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(cell.perturbation for cell in found.cells[1:]))
    columns = 1 + max(cell.level for cell in found.cells)
    areas, shares = (np.full((len(names), columns), np.nan) for _ in range(2))
    for cell in found.cells:
        rows = range(len(names)) if cell.level == 0 else [names.index(cell.perturbation)]
        for row in rows:
            areas[row, cell.level] = np.nan if cell.auc.value is None else cell.auc.value
            shares[row, cell.level] = cell.abstain_share
    figure = Figure(figsize=(11, 1.8 + 0.42 * len(names)), layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2, sharey=True)
    top = float(np.nanmax(areas, initial=0.6))
    _table(left, areas, title="AUC (0.5 = chance)", limits=(min(0.5, float(np.nanmin(areas, initial=0.5))), top))
    _table(right, shares, title="Share that would not be judged", limits=(0.0, 1.0))
    left.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    worst = found.worst
    if worst.level:
        left.plot(
            worst.level, names.index(worst.perturbation), marker="s", markersize=30, mfc="none", mec="#D55E00", mew=2
        )
    figure.suptitle(title, fontsize=11)
    return figure


def _table(axes: Axes, values: NDArray[np.float64], *, title: str, limits: tuple[float, float]) -> None:
    import numpy as np

    low, high = limits
    axes.imshow(values, cmap="cividis", vmin=low, vmax=high, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            light = value > (low + high) / 2
            axes.text(
                column, row, f"{value:.2f}", ha="center", va="center", fontsize=9, color="black" if light else "white"
            )
    axes.set_title(title, fontsize=10)
    axes.set_xticks(range(values.shape[1]), ["clean", *map(str, range(1, values.shape[1]))])
    axes.set_xlabel("level of the perturbation")
    axes.spines[:].set_visible(False)


def _row(cell: dict[str, Any]) -> dict[str, Any]:
    return {
        "perturbation": cell["perturbation"],
        "level": cell["level"],
        "auc": cell["auc"]["value"],
        "auc_low": cell["auc"]["low"],
        "auc_high": cell["auc"]["high"],
        "drop": cell["drop"]["value"],
        "drop_low": cell["drop"]["low"],
        "drop_high": cell["drop"]["high"],
        "auc_judged": cell["auc_judged"]["value"],
        "abstain_share": cell["abstain_share"],
        "false_alarms_per_hour": (cell["false_alarms_per_hour"] or {}).get("value"),
    }


def _table_row(row: dict[str, Any]) -> str:
    def shown(name: str) -> str:
        return "n/a" if row[name] is None else f"{row[name]:.3f}"

    interval = f"{shown('auc_low')} to {shown('auc_high')}"
    cells = [html.escape(str(row["perturbation"])), str(row["level"]), shown("auc"), interval]
    cells += [shown("drop"), shown("auc_judged"), share(row["abstain_share"])]
    cells.append("n/a" if row["false_alarms_per_hour"] is None else f"{row['false_alarms_per_hour']:.1f}")
    return f"<tr>{''.join(f'<td>{cell}' for cell in cells)}</tr>"
