"""``deepfake-monitor lab evaluate``: measure the shipped pipeline on labelled material."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from monitor.analysis.pipeline import Engines
from monitor.cli.options import AsJson, Backend, MinFace, Model, Set, SettingsFile, Weights, load_engines, settings_from
from monitor.cli.terminal import console, errors, print_table
from monitor.errors import DatasetError, UsageError
from monitor.results.result_folder import OutputFolder
from monitor.settings import Settings

if TYPE_CHECKING:
    from monitor.lab.evaluation.material import LabelledMaterial
    from monitor.lab.evaluation.metrics_summary import MetricsSummary
    from monitor.lab.evaluation.outcomes import Outcome
    from monitor.lab.evaluation.page import Pictures

_UNREADABLE = 3  # exit code, as of `analyze`


def evaluate(
    data: Annotated[Path, typer.Argument(help="manifest.csv, a folder of face shards, or a data set (--dataset).")],
    out: Annotated[Path, typer.Option(help="A new folder for metrics.json, metrics.csv and report.html.")],
    dataset: Annotated[str, typer.Option(help="The data set's reader; default: seen from the files.")] = "",
    split: Annotated[str, typer.Option(help="train, val, test or all.", show_default="test, if there are splits")] = "",
    model: Model = None,
    weights: Weights = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many files or crops, drawn at random.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Processes for videos.")] = 1,
    thumbnails: Annotated[bool, typer.Option(help="Show faces in the report.")] = True,  # noqa: FBT002 - a flag
    resamples: Annotated[int, typer.Option(min=100, max=100_000, help="Of the 95 % intervals.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the intervals.")] = 0,
    backend: Backend = None,
    min_face: MinFace = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Measure the shipped pipeline on labelled videos, or its classifier on prepared face crops.

    Abstentions are counted, never dropped. Unreadable files are listed, and the others go on; the exit code is then 3.
    The report shows faces unless --no-thumbnails.
    """
    from monitor.lab.evaluation.material import open_material
    from monitor.lab.evaluation.page import Subject
    from monitor.lab.evaluation.report import write_report

    if out.is_file():
        raise UsageError(f"{out} is a file: name a folder for the results")
    OutputFolder(out.parent, out.name).abort()  # fail before the work if nothing can be written
    settings = settings_from(
        settings_file, assignments, backend=backend, min_face=min_face, model=model, weights=weights
    )
    with errors.status("reading the data"):
        material = open_material(data, dataset=dataset, split=split, limit=limit)
    engines = load_engines(settings)
    outcomes = _outcomes(material, engines=engines, settings=settings, jobs=jobs)
    _require_any(outcomes)
    subject = Subject(
        name=material.name,
        split=material.split,
        kind=material.kind,
        card=engines.classifier.card,
        engine=engines.scorer.engine.name,
        engine_reason=engines.choice.reason,
        settings=settings,
        selection=material.selection,
    )
    pictures = _pictures(material) if thumbnails else None
    with errors.status("computing intervals"):
        folder, card = write_report(out, outcomes, subject=subject, pictures=pictures, resamples=resamples, seed=seed)
    _say(card, outcomes, folder=folder, as_json=as_json)
    if card.whole.counts.failed:
        raise typer.Exit(_UNREADABLE)


def _outcomes(material: LabelledMaterial, *, engines: Engines, settings: Settings, jobs: int) -> list[Outcome]:
    from monitor.lab.evaluation.crops import crop_outcomes
    from monitor.lab.evaluation.videos import video_outcomes

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task(escape(material.name), total=len(material))

        def done(outcome: Outcome) -> None:
            _complain(outcome)
            progress.advance(task)

        if material.faces is None:
            return video_outcomes(material.records or [], settings=settings, engines=engines, jobs=jobs, on_done=done)
        found = crop_outcomes(
            material.faces,
            engines=engines,
            settings=settings.verdict,
            on_done=lambda count: progress.advance(task, count),
        )
    for outcome in found:
        _complain(outcome)
    return found


def _complain(outcome: Outcome) -> None:
    if outcome.failed:
        errors.print(f"[yellow]failed:[/] {escape(outcome.failure)}")


def _require_any(outcomes: Sequence[Outcome]) -> None:
    if all(outcome.failed for outcome in outcomes):
        first = outcomes[0].failure if outcomes else "there is none"
        raise DatasetError(
            f"not one of {len(outcomes)} files could be read, so there is nothing to report; the first: {first}"
        )


def _pictures(material: LabelledMaterial) -> Pictures:
    from monitor.lab.evaluation.thumbnails import face_jpeg

    faces = material.faces
    if faces is None:
        return lambda outcome: outcome.picture
    rows = {row.name: number for number, row in enumerate(faces.rows)}
    return lambda outcome: face_jpeg(faces.pixels(rows[outcome.id]))


def _say(card: MetricsSummary, outcomes: Sequence[Outcome], *, folder: Path, as_json: bool) -> None:
    from monitor.lab.evaluation.page import headline

    counts = card.whole.counts
    if as_json:
        content = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        typer.echo(json.dumps({"folder": str(folder), "metrics": content}, indent=2, ensure_ascii=False))
        return
    console.print(
        f"{len(outcomes)} in {counts.groups} groups: {counts.fakes} fake, {counts.reals} real; "
        f"{counts.abstained} abstained, {counts.failed} failed"
    )
    table = Table(box=None, pad_edge=False, show_header=False)
    for figure in headline(card):
        table.add_row(figure.name, figure.value, figure.interval, style=None)
    print_table(table)
    console.print("intervals: 95 %, resampling groups; those of rates: Poisson", style="dim")
    for path in sorted(folder.iterdir()):
        console.print(escape(str(path)))
