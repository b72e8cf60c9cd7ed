"""``deepfake-monitor lab committee``: fit the fusion of several classifiers, and write its card."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from monitor.analysis.pipeline import Engines
from monitor.cli.options import Backend, Set, SettingsFile, settings_from
from monitor.cli.terminal import console, errors, print_table
from monitor.errors import UsageError


def committee(
    sources: Annotated[list[Path], typer.Argument(metavar="SETS...", help="Folders of face shards, wide enough.")],
    model: Annotated[list[str], typer.Option(help="Name in the model registry; two or more, the main one first.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The card, such as engines/committee.json.")],
    split: Annotated[str, typer.Option(help="Of the shards; not the one that figures are reported on.")] = "val",
    max_difference: Annotated[
        float | None, typer.Option(min=0.1, help="Log-odds between two members from which a sample is rejected.")
    ] = None,
    interval: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL=SECONDS",
            help="Minimum time between two scores of a face by this member, whose last score holds in between; for a "
            "slow one. May be repeated.",
        ),
    ] = None,
    backend: Backend = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Fit non-negative weights of several classifiers' log-odds, and show the AUC of each set.

    The card is chosen with classifier.model=NAME when it lies in the folder of the weights.
    """
    from monitor.lab.datasets.faceset import FaceSet
    from monitor.lab.evaluation.committee_fit import fit_fusion, measure_auc, score_sets, write_card

    if len(set(model)) < 2:
        raise UsageError("a committee has two members or more: name each with --model")
    if out.suffix != ".json":
        raise UsageError(f"{out}: the card of a committee is a .json file")
    intervals = _intervals(interval or [], models=model)
    scorers = []
    for name in model:
        chosen = [*(assignments or ()), f"classifier.model={name}"]
        with errors.status(f"loading {name}"):
            scorers.append(Engines.load(settings_from(settings_file, chosen, backend=backend)).scorer)
    sets = [FaceSet.open(source, splits={split}) for source in sources]
    with Progress(console=errors, transient=True) as progress:
        task = progress.add_task("crops", total=sum(map(len, sets)))
        scores = score_sets(scorers, sets, on_done=lambda done: progress.advance(task, done))
    fusion, figures = fit_fusion(scores), measure_auc(scores)
    card = write_card(
        out,
        fusion,
        models=model,
        scorers=scorers,
        fitted_on=f"{', '.join(scores.names)}, split {split}",
        figures=figures,
        max_difference=max_difference,
        intervals=intervals,
    )
    columns = [*model, "fused, out of fold"]
    table = Table("AUC", *columns, box=None, pad_edge=False)
    for name, found in figures.items():
        table.add_row(name, *(f"{value:.3f}" for value in found.values()))
    print_table(table)
    weights = ", ".join(f"{member.model} {member.weight:.3f}" for member in card.members)
    console.print(f"weights: {weights}; bias {card.bias:+.3f}")
    console.print(f"{escape(str(out))}: the card")


def _intervals(given: Sequence[str], *, models: Sequence[str]) -> dict[str, float]:
    """Seconds by model.

    Raises:
        UsageError: a text is not MODEL=SECONDS with one of ``models``.
    """
    intervals = {}
    for text in given:
        name, _, seconds = text.partition("=")
        try:
            intervals[name] = float(seconds)
        except ValueError:
            raise UsageError(f"--interval {text}: expected MODEL=SECONDS, for example {models[0]}=1") from None
        if name not in models or not 0 <= intervals[name] < math.inf:
            raise UsageError(f"--interval {text}: name one of {', '.join(models)} and 0 seconds or more")
    return intervals
