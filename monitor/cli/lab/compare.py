"""``deepfake-monitor lab compare``: classifiers side by side, in a table and a chart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import Progress

from monitor.cli.options import Backend, Set, SettingsFile, settings_from
from monitor.cli.terminal import console, errors
from monitor.errors import UsageError
from monitor.results.result_folder import OutputFolder
from monitor.settings import Settings
from monitor.system.files import write_error

if TYPE_CHECKING:
    from monitor.lab.evaluation.comparison import ComparedModel, Comparison

Weights = Annotated[
    list[Path] | None, typer.Option(metavar="FILE", help="Weights to measure, their card beside them; repeat it.")
]


def compare(
    sources: Annotated[list[Path], typer.Argument(help="comparison.json files; with --weights one folder of shards.")],
    out: Annotated[Path, typer.Option(help="A new folder for comparison.json, .md, .png and .svg.")],
    weights: Weights = None,
    size: Annotated[
        list[int] | None,
        typer.Option(min=75, max=1024, help="Input size, pixels; repeat it to compare sizes. Default: the cards'."),
    ] = None,
    split: Annotated[str, typer.Option(help="Of the crops.")] = "test",
    limit: Annotated[int | None, typer.Option(min=2, help="At most so many crops, spread over the set.")] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Also what was not trained or measured alike.")] = False,  # noqa: FBT002
    backend: Backend = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Compare classifiers on the same crops: accuracy, precision, recall, F1 and AUC with intervals, speed, size.

    Classifiers with different training data or training length are refused. With --anyway, the caption names the
    differences. Entries from other runs' comparison.json are added if they were measured on the same crops.
    """
    from monitor.lab.evaluation.comparison import compared, entries_from, markdown

    settings = settings_from(settings_file, assignments, backend=backend)
    OutputFolder(out.parent, out.name).abort()  # fail before the work if nothing can be written
    shards = [source for source in sources if source.is_dir()] if weights else []
    if weights and len(shards) != 1:
        raise UsageError(f"--weights are measured on one folder of shards, {len(shards)} were named")
    entries = [entry for source in sources if source not in shards for entry in entries_from(source)]
    if weights:
        measured = _measured(weights, shards[0], settings=settings, sizes=size or [None], split=split, limit=limit)
        entries = measured + entries
    comparison = compared(entries, anyway=anyway)
    folder = OutputFolder(out.parent, out.name)
    with folder:
        try:
            _write(comparison, folder.working)
        except OSError as error:
            raise write_error(folder.working, error) from error
    console.print(markdown(comparison), markup=False)
    console.print(f"{escape(str(folder.target))}: comparison.json, comparison.md, comparison.png, comparison.svg")


def _measured(
    weights: list[Path],
    shards: Path,
    *,
    settings: Settings,
    sizes: Sequence[int | None],
    split: str,
    limit: int | None,
) -> list[ComparedModel]:
    from monitor.lab.datasets.faceset import FaceSet
    from monitor.lab.evaluation.comparison import measure
    from monitor.lab.evaluation.grids import spread

    faces = spread(FaceSet.open(shards, splits={split}), limit)
    with Progress(console=errors, transient=True) as progress:
        task = progress.add_task("crops", total=len(faces) * len(weights) * len(sizes))
        return measure(
            weights, faces, settings=settings, sizes=sizes, on_done=lambda done: progress.advance(task, done)
        )


def _write(comparison: Comparison, folder: Path) -> None:
    from monitor.lab.evaluation.comparison import chart, markdown, to_json

    record = json.dumps(to_json(comparison), indent=2, ensure_ascii=False)
    (folder / "comparison.json").write_text(record + "\n", encoding="utf-8")
    (folder / "comparison.md").write_text(markdown(comparison), encoding="utf-8")
    figure = chart(comparison)
    figure.savefig(folder / "comparison.png", dpi=150)
    figure.savefig(folder / "comparison.svg", metadata={"Date": None})
