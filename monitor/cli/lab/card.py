"""``deepfake-monitor lab card``: write curves and preset error rates into a model card."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from monitor.cli.options import Backend, Model, Set, SettingsFile, load_engines, settings_from
from monitor.cli.scored_shards import score_shards
from monitor.cli.terminal import console, errors, print_table
from monitor.settings import Settings


def card(
    source: Annotated[Path, typer.Argument(help="A folder of face shards.")],
    weights: Annotated[Path, typer.Option(metavar="FILE", help="The weights; their card is beside them.")],
    split: Annotated[str, typer.Option(help="Of the shards; one that chose nothing.")] = "test",
    model: Model = None,
    backend: Backend = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Write ROC, reliability, scores, preset error rates and the heartbeat's reference logits into the card.

    Weights and calibration stay unchanged.
    """
    from monitor.lab.evaluation.curves import curves, write_curves

    settings = settings_from(settings_file, assignments, backend=backend, model=model, weights=weights)
    engines = load_engines(settings)
    name, outcomes = score_shards(source, split=split, engines=engines, settings=settings)
    facts = curves(outcomes, material=name)
    path = write_curves(weights, facts, demo_logits=_demo_logits(settings, sizes=engines.classifier.card.sizes))
    _show(facts["presets"])
    console.print(f"{escape(str(path))}: the new card")


def _demo_logits(settings: Settings, *, sizes: Sequence[int]) -> dict[int, dict[str, float]]:
    """Logits of the demo's two faces at each of the card's input sizes."""
    from monitor.analysis.pipeline import Engines
    from monitor.runtime.heartbeat import score

    found = {}
    for size in sizes:
        with errors.status(f"the demo's faces at {size} pixels"):
            scored = score(Engines.load(settings, input_size=size).scorer)
        found[size] = {name: round(logit, 4) for name, logit in asdict(scored).items()}
    return found


def _show(presets: Mapping[str, Mapping[str, Any]]) -> None:
    table = Table("preset", "suspicious from", "fakes found", "real accused", "real likely fake", "undecided")
    table.box = None
    for name, found in presets.items():
        shares = [
            f"{found[share]['value']:.3f}" for share in ("fakes_found", "real_accused", "real_likely_fake", "undecided")
        ]
        table.add_row(name, f"{found['suspicious_at']:g}", *shares)
    print_table(table)
