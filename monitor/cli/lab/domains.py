"""``deepfake-monitor lab domains``: AUC by generator and by source of footage, into a model card."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from monitor.classifiers.model_card import Domain
from monitor.cli.options import Backend, Set, SettingsFile, load_engines, settings_from
from monitor.cli.scored_shards import score_shards
from monitor.cli.terminal import console


def domains(
    sources: Annotated[list[Path], typer.Argument(help="Folders of face shards.")],
    weights: Annotated[Path, typer.Option(metavar="FILE", help="The weights; their card is beside them.")],
    split: Annotated[str, typer.Option(help="Of the shards; one that training did not see.")] = "val",
    in_place: Annotated[bool, typer.Option("--in-place", help="Also write the table into the card.")] = False,  # noqa: FBT002 - a flag
    model: Annotated[str | None, typer.Option(help="Name in the model registry; default: the card's.")] = None,
    backend: Backend = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Measure AUC by clip for each generator and each source of genuine footage, with 95 % intervals.

    A generator's fakes are compared with all genuine clips, a source's genuine clips with all fakes.
    """
    from monitor.lab.evaluation.domains import domains_of, write_domains

    settings = settings_from(settings_file, assignments, backend=backend, model=model, weights=weights)
    engines = load_engines(settings)
    found: list[Domain] = []
    for source in sources:
        material, outcomes = score_shards(source, split=split, engines=engines, settings=settings)
        found += domains_of(outcomes, material=material)
    _show(found)
    if in_place:
        console.print(f"{escape(str(write_domains(weights, found)))}: the new card")


def _show(found: Sequence[Domain]) -> None:
    for material in dict.fromkeys(domain.material for domain in found):
        table = Table(
            "", "", "clips", "groups", "AUC", "95 %", "", title=escape(material), title_justify="left", box=None
        )
        for domain in (domain for domain in found if domain.material == material):
            interval = "" if domain.ci95 is None else f"{domain.ci95[0]:.2f}-{domain.ci95[1]:.2f}"
            table.add_row(
                domain.kind, escape(domain.name), str(domain.clips), str(domain.groups), f"{domain.auc:.2f}", interval,
                domain.finding,
            )  # fmt: skip
        console.print(table)
